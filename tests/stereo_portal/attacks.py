"""What somebody who means harm writes into addresses and forms."""

from __future__ import annotations

from urllib.parse import quote

SCRIPT = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>"
# As they stand in an address.
TEXTS = {
    "much in one": quote(
        SCRIPT + "' onmouseover='alert(1)' {{7*191}}${7*191} ' OR 1=1 -- /../../etc/passwd\r\nx: thief"
    ),
    "undecodable": "%ff%c0%ae%c0%ae%2f%ed%a0%80",
    "large number": "9" * 3500,
    "no day": "2024-02-31",
}
PATHS = {
    "script": quote(SCRIPT, safe=""),
    "attribute": quote("' onmouseover='alert(1)' x='"),
    "template": quote("{{7*191}}${7*191}"),
    "up": "../../../../etc/passwd",
    "up, encoded": "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "up, encoded dots": "%2e%2e%2f%2e%2e%2fsecret.html",
    "up, encoded twice": "%252e%252e%252fsecret.html",
    "up, with backslashes": "..%5c..%5csecret.html",
    "absolute": "%2fetc%2fpasswd",
    "NUL": "secret.html%00",
    "header": "x%0d%0aSet-Cookie:%20thief=1",
    "host": "%2f%2felsewhere.example%2f",
    "wide dots, right to left": quote("\uff0e\uff0e\uff0fsecret.html\u202e"),
    "hidden": ".versions",
    "empty": "",
    "no year": "99991231",
}
OTHERS = {"production": "nope", "source": "NoSuchSource", "night": "20191224", "of": "none", "name": "dl2/99999"}
