"""A mail server and a chat for one message each, on this machine."""

from __future__ import annotations

import email
import http.server
import json
import socket
import threading


class Mailbox:
    """A mail server for one message."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.lines: list[str] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self.socket.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(text: str) -> None:
                stream.write(f"{text}\r\n".encode())
                stream.flush()

            say("220 here")
            while line := stream.readline().decode().strip():
                if line.upper() == "DATA":
                    say("354 go on")
                    while (text := stream.readline().decode().rstrip("\r\n")) != ".":
                        self.lines.append(text)
                say("221 bye" if line.upper() == "QUIT" else "250 ok")
                if line.upper() == "QUIT":
                    return

    def message(self) -> email.message.Message:
        self.thread.join(timeout=20)
        return email.message_from_string("\n".join(self.lines))


class Chat:
    """A chat that takes one message, as JSON."""

    def __init__(self) -> None:
        self.messages: list[dict] = []
        messages = self.messages

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.handle_request, daemon=True)
        self.thread.start()
