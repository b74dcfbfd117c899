#!/usr/bin/env python3
"""Requests of the tests' own to an S3 server, signed here (Signature Version 4), so that they share no code with what
is tested.

    direct.py ENDPOINT ACCESS_KEY SECRET_KEY BUCKET                     creates the bucket
    direct.py ENDPOINT ACCESS_KEY SECRET_KEY BUCKET[/PREFIX] FOLDER FILE…    copies FOLDER/FILE… into it, in this order
"""

import datetime
import hashlib
import hmac
import http.client
import pathlib
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()


class Direct:
    def __init__(self, endpoint, access_key, secret_key):
        self.address = urllib.parse.urlsplit(endpoint).netloc
        self.access_key = access_key
        self.secret_key = secret_key

    def request(self, method, path, query=None, body=b"", headers=None, service="s3"):
        """`query`: a dictionary. Raises AssertionError unless the status is a good one."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        hashed = hashlib.sha256(body).hexdigest()
        signed = {"host": self.address, "x-amz-content-sha256": hashed, "x-amz-date": now}
        coded = "&".join(f"{quote(key)}={quote(value)}" for key, value in sorted((query or {}).items()))
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, urllib.parse.quote(path), coded,
                               *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names, hashed])
        scope = f"{now[:8]}/us-east-1/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4" + self.secret_key.encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        credential = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, urllib.parse.quote(path) + (f"?{coded}" if coded else ""), body,
                               {**signed, **(headers or {}), "authorization": credential})
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        assert answer.status < 300, f"{method} {path}: {answer.status}: {answer.body[:500]!r}"
        return answer

    def put(self, path, body):
        self.request("PUT", path, body=body)

    def get(self, path):
        return self.request("GET", path).body

    def delete(self, path):
        self.request("DELETE", path)

    def keys(self, bucket, prefix):
        tree = ElementTree.fromstring(self.request("GET", f"/{bucket}/", {"prefix": prefix}).body)
        return [item.text for item in tree.iter() if item.tag.endswith("}Key") or item.tag == "Key"]

    def uploads(self, bucket, prefix):
        tree = ElementTree.fromstring(self.request("GET", f"/{bucket}/", {"uploads": "", "prefix": prefix}).body)
        return [item.text for item in tree.iter() if item.tag.endswith("}UploadId") or item.tag == "UploadId"]


def quote(text):
    return urllib.parse.quote(text, safe="")


def main(endpoint, access_key, secret_key, bucket, folder=None, *files):
    store = Direct(endpoint, access_key, secret_key)
    if folder is None:
        store.put(f"/{bucket}", b"")
    for file in files:
        store.put(f"/{bucket}/{file}", (pathlib.Path(folder) / file).read_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
