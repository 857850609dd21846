"""One self-contained HTML page that shows how metrics agree with people."""
