package broker

import (
	"os"
	"path/filepath"
	"strconv"
)

// setRedis sets up a server that writes every change to its log before it answers. It leaves the syncing to the kernel: "everysec", the usual setting, lets a
// write wait for the sync of an earlier one, and what waits dies with the process.
func (b *Broker) setRedis() error {
	server, err := b.program("redis-server")
	if err != nil {
		return err
	}
	data := filepath.Join(b.dir, "data")
	if err := os.MkdirAll(data, 0o750); err != nil {
		return err
	}
	ports, err := b.reserve(1)
	if err != nil {
		return err
	}
	b.add("redis", ports[0], command{args: []string{
		server, "--bind", "127.0.0.1", "--port", strconv.Itoa(ports[0]), "--dir", data,
		"--save", "", "--appendonly", "yes", "--appendfsync", "no",
	}})
	return nil
}
