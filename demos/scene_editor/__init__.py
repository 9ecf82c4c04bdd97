"""The editor of scenes: boxes over a reference's reading, and the elements of a result, moved by hand.

`service.py` reads, describes, draws and saves scenes; `component.py` puts the editor on the page, whose JavaScript is
in `page/` (start with editor.js); `endpoints.py` offers the same to programs.
"""
