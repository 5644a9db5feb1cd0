"""Reads files of one commit of a public repository from a local clone of it, through git."""

import csv
import gzip
import io
import json
import subprocess


class Source:
    """The files of `repo` (owner/name) at `commit`, read from the clone (bare or not) at `clone`."""

    def __init__(self, repo, commit, clone):
        self.repo, self.commit, self.clone = repo, commit, clone
        if self._git("cat-file", "-t", commit).strip() != b"commit":
            raise SystemExit(f"{clone}: {commit} is not a commit; clone {repo} whole")

    def _git(self, *args):
        done = subprocess.run(["git", "-C", self.clone, *args], capture_output=True, check=False)
        if done.returncode != 0:
            raise SystemExit(
                f"{self.clone}: git {' '.join(args)} failed, expected a clone of {self.repo} "
                f"that holds commit {self.commit}: {done.stderr.decode(errors='replace').strip()}"
            )
        return done.stdout

    def tag(self, path):
        """The `source` of a row that came from `path`."""
        return f"{self.repo}@{self.commit[:8]}:{path}"

    def files(self, folder):
        """Paths of the files in `folder`, sorted."""
        out = self._git("ls-tree", "--name-only", "-z", self.commit, folder.rstrip("/") + "/")
        return sorted(path for path in out.decode().split("\0") if path)

    def text(self, path):
        data = self._git("show", f"{self.commit}:{path}")
        if path.endswith(".gz"):
            data = gzip.decompress(data)
        return data.decode("utf-8").removeprefix("\ufeff")

    def mixed(self, path):
        """A text some of whose lines are UTF-8 and some Windows-1252."""

        def decode(line):
            try:
                return line.decode("utf-8")
            except UnicodeDecodeError:
                return line.decode("cp1252", errors="replace")

        return "\n".join(decode(line) for line in self._git("show", f"{self.commit}:{path}").split(b"\n"))

    def lines(self, path):
        return self.text(path).split("\n")

    def json(self, path):
        return json.loads(self.text(path))

    def jsonl(self, path):
        return [json.loads(line) for line in self.lines(path) if line.strip()]

    def csv(self, path, **options):
        """Rows of a table with a header line, as dictionaries."""
        return list(csv.DictReader(io.StringIO(self.text(path), newline=""), **options))
