"""Self-contained HTML pages: document, tables, charts as SVG, pictures. They need no other file and no network."""
