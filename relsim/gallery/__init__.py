"""Galleries: pictures in a LanceDB table, indexed and searched by relation and attributes."""
