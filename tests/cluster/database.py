"""The database of the accounting: a MariaDB of its own folder and port."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

_FIRST = """\
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE USER IF NOT EXISTS slurm@'127.0.0.1';
ALTER USER slurm@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
"""


class Database:
    """A database in `folder`, run by `user`, that its user ``slurm`` reaches at `port` with `password`."""

    def __init__(self, folder: Path, user: str, port: int, password: str) -> None:
        self._folder, self._user, self._port, self._password = folder, user, port, password

    def words(self) -> list[str]:
        """The program and its words, once its tables are made."""
        options = ["--no-defaults", f"--user={self._user}", f"--datadir={self._folder}/data"]
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700)
            subprocess.run(
                ["mariadb-install-db", *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
                check=True,
                capture_output=True,
            )
        first = self._folder / "first.sql"
        first.touch(mode=0o600)
        first.write_text(_FIRST.format(password=self._password))
        return [
            "mariadbd",
            *options,
            "--bind-address=127.0.0.1",
            f"--port={self._port}",
            f"--socket={self._folder}/socket",
            f"--pid-file={self._folder}/pid",
            f"--init-file={first}",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=16M",
        ]

    def answers(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self._port)) == 0
