package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// setPostgreSQL makes a cluster with a database patron, whose user postgres needs no password. For root it runs as the user postgres, since it refuses root.
func (b *Broker) setPostgreSQL(ctx context.Context) error {
	initdb, err := b.program("initdb")
	if err != nil {
		return err
	}
	server, err := b.program("postgres")
	if err != nil {
		return err
	}
	var as *syscall.Credential
	home := filepath.Join(b.dir, "cluster")
	if err := os.MkdirAll(home, 0o750); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if as, err = credential("postgres"); err != nil {
			return err
		}
		if err := passable(b.dir); err != nil {
			return err
		}
		if err := os.Chown(home, int(as.Uid), int(as.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(home, "data")
	if _, err := os.Stat(data); err != nil {
		// Made beside its place and moved there, so that what is there is whole.
		fresh := filepath.Join(home, "new")
		if err := os.RemoveAll(fresh); err != nil {
			return err
		}
		create := command{user: as, args: []string{initdb, "-D", fresh, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"}}
		if err := create.run(ctx, ""); err != nil {
			return err
		}
		single := command{user: as, args: []string{server, "--single", "-D", fresh, "-c", "fsync=off", "postgres"}}
		if err := single.run(ctx, "create database patron\n"); err != nil {
			return err
		}
		if err := os.Rename(fresh, data); err != nil {
			return err
		}
	}
	ports, err := b.reserve(1)
	if err != nil {
		return err
	}
	b.add("postgres", ports[0], command{
		user: as,
		stop: syscall.SIGINT, // fast: it does not wait for clients to leave
		args: []string{
			server, "-D", data, "-p", strconv.Itoa(ports[0]), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
			"-c", "fsync=off", "-c", "max_connections=300",
		},
	})
	return nil
}

// credential is that of a user of the system.
func credential(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

// passable checks that another user gets to the directory.
func passable(dir string) error {
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&1 == 0 {
			return fmt.Errorf("%s does not let the user postgres through: leave Spec.Dir out, or name a directory that everybody may pass", d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}
