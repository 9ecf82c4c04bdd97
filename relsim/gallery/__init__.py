"""A gallery: pictures indexed by their relations and looks, in a LanceDB table, and searched by either."""
