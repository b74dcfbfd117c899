"""A small OpenID provider on loopback, and the role of radosgw that its tokens may assume."""

import base64
import hashlib
import http.server
import json
import subprocess
import threading
import time

AUDIENCE = "fmserve"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class OpenIdProvider:
    """Signs with a key of its own, made in `folder`."""

    def __init__(self, folder):
        self.key = folder / "openid.key"
        certificate = folder / "openid.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", certificate,
                        "-days", "2", "-subj", "/CN=openid"], check=True, capture_output=True)
        self.der = subprocess.run(["openssl", "x509", "-in", certificate, "-outform", "DER"], check=True,
                                  capture_output=True).stdout
        modulus = subprocess.run(["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True,
                                 capture_output=True, text=True).stdout
        self.modulus = bytes.fromhex(modulus.split("=")[1].strip())
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                body = json.dumps(provider.page(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def role(self):
        return f"reader-{self.server.server_port}"

    @property
    def role_arn(self):
        return f"arn:aws:iam:::role/{self.role}"

    @property
    def issuer(self):
        return f"http://{self.name}"

    def page(self, path):
        if path.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        return {"keys": [{"kid": "1", "kty": "RSA", "alg": "RS256", "use": "sig", "n": base64url(self.modulus),
                          "e": "AQAB", "x5c": [base64.b64encode(self.der).decode()]}]}

    def token(self, subject="server"):
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        claims = {"iss": self.issuer, "sub": subject, "aud": AUDIENCE, "iat": now, "nbf": now - 10, "exp": now + 3600}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), check=True,
                                   capture_output=True).stdout
        return f"{signed}.{base64url(signature)}"

    def register(self, gateway, config):
        """Makes radosgw trust it; whoever has a token may read and write all buckets."""
        gateway.request("POST", "/", service="iam", body=b"",
                        query={"Action": "CreateOpenIDConnectProvider", "Url": self.issuer, "ClientIDList.member.1": AUDIENCE,
                               "ThumbprintList.member.1": hashlib.sha1(self.der).hexdigest().upper()})
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Principal": {"Federated": [f"arn:aws:iam:::oidc-provider/{self.name}"]},
            "Condition": {"StringEquals": {f"{self.name}:app_id": AUDIENCE}}}]}
        rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"],
                                                          "Resource": ["arn:aws:s3:::*"]}]}
        for command in (["role", "create", f"--assume-role-policy-doc={json.dumps(trust)}"],
                        ["role-policy", "put", "--policy-name=all", f"--policy-doc={json.dumps(rights)}"]):
            subprocess.run(["radosgw-admin", "-c", config, "-n", "client.rgw", *command, f"--role-name={self.role}"], check=True,
                           capture_output=True)
