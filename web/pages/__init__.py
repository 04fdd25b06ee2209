"""One file a page. Each asks the rooms of `api/` and fills a template; see `web/frame.py` for what all share."""
