"""RemoteMonitor: sends results to a server. A room of its own, so that others need no network."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
import warnings

from ..errors import ArgumentError
from .base import Callback, Logs

__all__ = ["RemoteMonitor"]


class RemoteMonitor(Callback):
    """Sends the results of each epoch to a server, by HTTP POST; warns where that fails.

    Args:
        root: the server, "http://..." or "https://...".
        path: the path on it.
        field: the form's field that holds the JSON, unless it is sent by itself.
        headers: further HTTP headers.
        send_as_json: send the JSON itself, as application/json.

    Raises:
        ArgumentError: `root` is no http or https address.

    Example:
        >>> RemoteMonitor("http://localhost:9000").path
        '/publish/epoch/end/'
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        if urllib.parse.urlsplit(root).scheme not in ("http", "https"):
            raise ArgumentError(f"RemoteMonitor: root must begin with http(s)://, got {root!r}")
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Send the results."""
        text = json.dumps({"epoch": epoch, **(logs or {})}, default=float)
        if self.send_as_json:
            body, kind = text.encode(), "application/json"
        else:
            body = urllib.parse.urlencode({self.field: text}).encode()
            kind = "application/x-www-form-urlencoded"
        request = urllib.request.Request(
            self.root + self.path, body, {"Content-Type": kind, **(self.headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=10):
                pass
        except OSError as error:  # no network, no server, or its refusal
            warnings.warn(f"RemoteMonitor: {self.root} was not reached: {error}", stacklevel=2)
