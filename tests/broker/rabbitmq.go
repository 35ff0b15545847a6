package broker

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// setRabbitMQ sets up a node of its own name, with an epmd of its own, the daemon that tells Erlang's nodes where others are. Left to itself RabbitMQ starts
// one for the whole machine, which stays.
func (b *Broker) setRabbitMQ() error {
	server, err := b.program("rabbitmq-server")
	if err != nil {
		return err
	}
	epmd, err := b.program("epmd")
	if err != nil {
		return err
	}
	ports, err := b.reserve(3)
	if err != nil {
		return err
	}
	// Those of the machine must not be read: they may name another node.
	for _, name := range []string{"rabbitmq.conf", "advanced.config", "rabbitmq-env.conf", "plugins"} {
		text := ""
		if name == "advanced.config" || name == "plugins" {
			text = "[].\n"
		}
		if _, err := b.write(name, text); err != nil {
			return err
		}
	}
	b.helpers = []*Node{{
		name: "epmd", address: loopback(ports[1]), detached: b.spec.Detached, probe: accepts,
		command: command{args: []string{epmd, "-port", strconv.Itoa(ports[1]), "-address", "127.0.0.1"}, log: filepath.Join(b.dir, "epmd.log")},
	}}
	b.add("rabbitmq", ports[0], command{args: []string{server}, env: rabbitMQEnv(b.dir, ports)})
	return nil
}

// rabbitMQEnv is the configuration of a node; its ports are that of clients, that of epmd, and that of other nodes.
func rabbitMQEnv(dir string, ports []int) []string {
	return []string{
		"HOME=" + dir, // for the cookie
		"LC_ALL=C.UTF-8",
		fmt.Sprintf("RABBITMQ_NODENAME=patron%d@localhost", ports[0]),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", ports[0]),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", ports[2]),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "data"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
		"RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq.conf"),
		"RABBITMQ_ADVANCED_CONFIG_FILE=" + filepath.Join(dir, "advanced.config"),
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(dir, "rabbitmq-env.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "plugins"),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		fmt.Sprintf("ERL_EPMD_PORT=%d", ports[1]),
		// The virtual machine shall not spin while it waits: the tests need the processors.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=" + strings.Join([]string{
			"+sbwt none +sbwtdcpu none +sbwtdio none", "-kernel inet_dist_use_interface {127,0,0,1}",
		}, " "),
		// With this the script becomes the virtual machine instead of staying its parent, so that ours is the process that matters; -noinput takes back what
		// else it means.
		"RABBITMQ_ALLOW_INPUT=1",
		"RABBITMQ_SERVER_START_ARGS=-noinput",
	}
}

// accepts asks no more than that the port is open.
func accepts(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	return "", conn.Close()
}
