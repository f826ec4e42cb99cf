"""A client of Reprise's API: starts an analysis, waits for it, and plans to remove the copies of the sure groups.

    REPRISE_URL=https://music.example.org REPRISE_TOKEN=reprise_… python api-client.py

Needs nothing but Python. The token needs the scopes read, run, review and remove.
"""

import json
import os
import time
import urllib.request
import uuid


class Reprise:
    """Asks the API in the name of whoever made the token."""

    def __init__(self, url, token):
        self.root = f"{url.rstrip('/')}/api/v1/"
        self.token = token

    def get(self, path):
        return self._send("GET", path)

    def post(self, path, body=None):
        """Send a request that may be repeated: the key makes the server do it once."""
        return self._send("POST", path, body or {}, {"Idempotency-Key": str(uuid.uuid4())})

    def rows(self, path):
        """Yield every row of a list, page by page."""
        while path:
            page = self.get(path)
            yield from page["results"]
            path = page["next"]

    def wait(self, path, is_over):
        """Ask again until it is over."""
        while not is_over(progress := self.get(path)):
            time.sleep(2)
        return progress

    def _send(self, method, path, body=None, headers=None):
        request = urllib.request.Request(
            path if path.startswith("http") else self.root + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def main():
    reprise = Reprise(os.environ["REPRISE_URL"], os.environ["REPRISE_TOKEN"])
    analysis = reprise.post("analyses/", {"preset": "recording"})["analysis_id"]
    reprise.wait(f"analyses/{analysis}/progress/", lambda it: it["status"] not in ("queued", "running"))
    for group in reprise.rows(f"groups/?analysis={analysis}"):
        print(f"{group['confidence']:.2f}  {group['member_count']} copies of {group['title']} by {group['artist']}")

    wish = {"analysis": analysis, "groups": {"band": "very_high"}, "resolution": "deleted"}
    plan = reprise.post("plans/", wish)["id"]
    reprise.wait(f"plans/{plan}/progress/", lambda it: not it["is_at_work"])
    planned = reprise.get(f"plans/{plan}/")
    print(f"The plan removes {planned['track_count']} copies of {planned['group_count']} groups.")
    # Having looked at plans/ID/items/, confirm it: the count shows that you have.
    #     reprise.post(f"plans/{plan}/confirm/", {"count": planned["track_count"]})


if __name__ == "__main__":
    main()
