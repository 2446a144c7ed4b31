"""Certificates of the tests' own, made by the openssl program: authorities, servers' and users'."""

import subprocess

CURVE = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]


def openssl(folder, *words):
    done = subprocess.run(["openssl", *map(str, words)], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


class Authority:
    """Signs certificates; its own is `path`."""

    def __init__(self, folder, name):
        self.folder, self.name, self.path = folder, name, folder / f"{name}.crt"
        openssl(folder, "req", "-x509", "-newkey", *CURVE, "-nodes", "-days", 30, "-subj", f"/CN=authority {name}", "-keyout", f"{name}.key",
                "-out", self.path.name)

    def issue(self, subject, names="", days=30, password=None):
        """(certificate, key) as paths. `names` is "IP:127.0.0.1,DNS:db"; days below 0: it is past its time."""
        base = f"{self.name}-{subject}-{names}{days}{'' if password is None else '-locked'}".replace(":", "-").replace(",", "-")
        certificate, key, request = (self.folder / f"{base}.{kind}" for kind in ("crt", "key", "csr"))
        lock = ["-nodes"] if password is None else ["-passout", f"pass:{password}"]
        openssl(self.folder, "req", "-newkey", *CURVE, *lock, "-subj", f"/CN={subject}", "-keyout", key, "-out", request)
        (self.folder / f"{base}.ext").write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        openssl(self.folder, "x509", "-req", "-in", request, "-CA", self.path, "-CAkey", f"{self.name}.key", "-days", days, "-out", certificate,
                "-extfile", f"{base}.ext")
        key.chmod(0o600)
        return certificate, key
