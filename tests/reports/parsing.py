"""What a report's HTML holds."""

from __future__ import annotations

from html.parser import HTMLParser

_ALONE = ("meta", "img")


class Tags(HTMLParser):
    """Checks that tags nest, and collects them and the text."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in _ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @classmethod
    def of(cls, page):
        tags = cls()
        tags.feed(page)
        assert tags.open == []
        return tags
