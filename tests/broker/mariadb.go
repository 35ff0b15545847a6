package broker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// setMariaDB makes a server with a database patron, whose user root needs no password.
func (b *Broker) setMariaDB(ctx context.Context) error {
	install, err := b.program("mariadb-install-db")
	if err != nil {
		return err
	}
	server, err := b.program("mariadbd")
	if err != nil {
		return err
	}
	var as []string
	if os.Geteuid() == 0 {
		as = []string{"--user=root"} // without it, root is refused
	}
	data := filepath.Join(b.dir, "data")
	if _, err := os.Stat(data); err != nil {
		// Made beside its place and moved there, so that what is there is whole.
		fresh := filepath.Join(b.dir, "new")
		if err := os.RemoveAll(fresh); err != nil {
			return err
		}
		args := append([]string{install, "--no-defaults", "--datadir=" + fresh, "--auth-root-authentication-method=normal", "--skip-test-db"}, as...)
		if err := (command{args: args}).run(ctx, ""); err != nil {
			return err
		}
		if err := os.Rename(fresh, data); err != nil {
			return err
		}
	}
	first, err := b.write("init.sql", "CREATE DATABASE IF NOT EXISTS patron;\n")
	if err != nil {
		return err
	}
	ports, err := b.reserve(1)
	if err != nil {
		return err
	}
	b.add("mariadb", ports[0], command{args: append([]string{
		server, "--no-defaults", "--datadir=" + data, fmt.Sprintf("--port=%d", ports[0]), "--bind-address=127.0.0.1",
		"--socket=mariadb.sock", "--pid-file=mariadb.pid", // in the directory of the data: the name of a socket must be short
		"--init-file=" + first, "--character-set-server=utf8mb4", "--max-connections=300",
		"--skip-name-resolve",                // or it shuts a host out that only looked at the handshake a hundred times
		"--innodb-flush-log-at-trx-commit=2", // a commit is with the kernel before it is confirmed, and synced each second
	}, as...)})
	return nil
}
