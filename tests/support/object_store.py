"""A small object store in memory that speaks Google Cloud Storage's JSON API over HTTP.

It supports what Orbax (TensorStore), gcsfs and google-cloud-storage need: media, multipart and
resumable uploads, conditions on generations, ranges, listings, copies and deletions.
https://cloud.google.com/storage/docs/json_api/v1/objects
"""

import base64
import contextlib
import email.parser
import email.policy
import http.server
import itertools
import json
import threading
import urllib.parse

import google_crc32c


class ObjectStore:
    """Objects by bucket and name.

    Attributes:
        objects: content and generation by `(bucket, name)`.
    """

    def __init__(self):
        self.objects = {}
        self.generations = itertools.count(1)
        self.uploads = {}
        self.lock = threading.Lock()

    def names(self, bucket):
        objects = list(self.objects)  # a copy, because the server's threads may add objects
        return sorted(name for where, name in objects if where == bucket)

    def read(self, bucket, name):
        return self.objects[bucket, name][0]

    def write(self, bucket, name, content):
        self.objects[bucket, name] = content, next(self.generations)


@contextlib.contextmanager
def serve():
    """Serves a store on the loopback; yields it and the environment that clients need."""
    store = ObjectStore()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(store))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield (
            store,
            {
                "STORAGE_EMULATOR_HOST": url,  # gcsfs and google-cloud-storage
                "TENSORSTORE_GCS_HTTP_URL": url,
                "GOOGLE_AUTH_TOKEN_FOR_TESTING": "none",
                "GOOGLE_CLOUD_PROJECT": "test",
                # Otherwise gcsfs asks Google over gRPC what kind of bucket this is.
                "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            },
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(store):
    class Handler(_Handler):
        def __init__(self, *arguments):
            self.store = store
            super().__init__(*arguments)

    return Handler


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError):  # the client has gone or was killed
            super().handle()

    def _handle(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        self.content = self._body()
        parts = [urllib.parse.unquote(part) for part in url.path.strip("/").split("/")]
        with self.store.lock:
            self._route([part for part in parts if part not in ("download", "storage", "v1")])

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _route(self, parts):
        match parts:
            case ["upload", "b", bucket, "o"]:
                self._upload(bucket)
            case ["b", bucket]:
                self._json({"kind": "storage#bucket", "id": bucket, "name": bucket})
            case ["b", bucket, "o"]:
                self._list(bucket)
            case ["b", bucket, "o", name, "moveTo", "o", new]:
                found = self._find(bucket, name)
                if found is not None:
                    self.store.write(bucket, new, found[0])
                    del self.store.objects[bucket, name]
                    self._json(self._resource(bucket, new))
            case ["b", bucket, "o", name, "rewriteTo", "b", target, "o", new]:
                found = self._find(bucket, name)
                if found is not None:
                    self.store.write(target, new, found[0])
                    self._json({"done": True, "resource": self._resource(target, new)})
            case ["b", bucket, "o", name]:
                self._object(bucket, name)
            case _:
                self._fail(404)

    def _object(self, bucket, name):
        found = self._find(bucket, name)
        if found is None:
            return
        if self.command == "DELETE":
            if self._condition_holds(bucket, name):
                del self.store.objects[bucket, name]
                self._send(204, b"")
        elif self.query.get("alt") == "media":
            self._media(*found)
        else:
            self._json(self._resource(bucket, name))

    def _media(self, content, generation):
        if self.query.get("ifGenerationNotMatch") == str(generation):
            self._send(304, b"")
            return
        headers = {"x-goog-generation": str(generation), "Content-Type": "application/octet-stream"}
        wanted = self.headers.get("Range")
        if not wanted:
            self._send(200, content, headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(content) - int(last))
        end = min(int(last) + 1 if first and last else len(content), len(content))
        if start >= len(content):
            self._fail(416)
            return
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        self._send(206, content[start:end], headers)

    def _upload(self, bucket):
        if "upload_id" in self.query:
            name, before = self.store.uploads[self.query["upload_id"]]
            content = before + self.content
            total = self.headers.get("Content-Range", "*").rpartition("/")[2]
            if total not in ("*", str(len(content))):
                raise NotImplementedError(self.headers["Content-Range"])
            if total == "*":
                self.store.uploads[self.query["upload_id"]] = name, content
                self._send(308, b"", {"Range": f"bytes=0-{len(content) - 1}"})
                return
        elif self.query["uploadType"] == "resumable":
            name = self.query.get("name") or json.loads(self.content)["name"]
            key = str(next(self.store.generations))
            self.store.uploads[key] = name, b""
            host = f"http://{self.headers['Host']}"
            where = f"{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={key}"
            self._send(200, b"", {"Location": where})
            return
        elif self.query["uploadType"] == "multipart":
            name, content = self._parts()
        else:
            name, content = self.query["name"], self.content
        if self._condition_holds(bucket, name):
            self.store.write(bucket, name, content)
            self._json(self._resource(bucket, name))

    def _parts(self):
        boundary = email.parser.HeaderParser(policy=email.policy.default).parsestr(
            f"Content-Type: {self.headers['Content-Type']}\n\n"
        )
        mark = b"--" + boundary.get_boundary().encode()
        # The email parser is not used for the parts, because it changes line ends of the content.
        _, head, body = self.content.split(mark, 2)
        body = body.rpartition(mark)[0]
        line = b"\r\n" if body.startswith(b"\r\n") else b"\n"
        fields = [part.split(2 * line, 1)[1] for part in (head, body)]
        return json.loads(fields[0])["name"], fields[1][: -len(line)]

    def _condition_holds(self, bucket, name):
        wanted = self.query.get("ifGenerationMatch")
        present = self.store.objects.get((bucket, name), (b"", 0))[1]
        if wanted is None or int(wanted) == present:
            return True
        self._fail(412)
        return False

    def _list(self, bucket):
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter")
        first, end = self.query.get("startOffset", ""), self.query.get("endOffset")
        items, prefixes = [], {}
        for name in self.store.names(bucket):
            if not name.startswith(prefix) or name < first or (end and name >= end):
                continue
            head, found, _ = name[len(prefix) :].partition(delimiter or "\0")
            if delimiter and found:
                prefixes[prefix + head + delimiter] = None
            else:
                items.append(self._resource(bucket, name))
        self._json({"kind": "storage#objects", "items": items, "prefixes": list(prefixes)})

    def _find(self, bucket, name):
        found = self.store.objects.get((bucket, name))
        if found is None:
            self._fail(404)
        return found

    def _resource(self, bucket, name):
        content, generation = self.store.objects[bucket, name]
        url = f"http://{self.headers['Host']}"
        path = f"b/{bucket}/o/{urllib.parse.quote(name, safe='')}"
        return {
            "kind": "storage#object",
            "id": f"{bucket}/{name}/{generation}",
            "name": name,
            "bucket": bucket,
            "generation": str(generation),
            "metageneration": "1",
            "etag": f"e{generation}",
            "size": str(len(content)),
            "crc32c": base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode(),
            "timeCreated": "2026-01-01T00:00:00.000Z",
            "updated": "2026-01-01T00:00:00.000Z",
            "mediaLink": f"{url}/download/storage/v1/{path}?alt=media",
            "selfLink": f"{url}/storage/v1/{path}",
        }

    def _json(self, value):
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _fail(self, code):
        error = {"error": {"code": code, "message": self.responses[code][0]}}
        self._send(code, json.dumps(error).encode(), {"Content-Type": "application/json"})

    def _send(self, code, content, headers=None):
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
