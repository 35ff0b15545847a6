package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Spec says what to start.
type Spec struct {
	// Kind must be set.
	Kind Kind
	// Nodes is how many processes share the work: 1, which 0 means, or with Kafka 3, which replicate everything three times and confirm a record when two have it.
	Nodes int
	// Durable lets ElasticMQ keep its messages over a restart, at a tenth of its speed. With fauxqs, which cannot, it is an error. All others keep theirs anyway.
	Durable bool
	// Dir is where data and logs go; it is made, and what an earlier broker of the same kind left there is used. Left out, it is a new one, which Remove removes.
	Dir string
	// Cache is where what was fetched is kept; left out, it is CacheDir.
	Cache string
	// Detached lets the processes outlive this one.
	Detached bool
	// Progress gets a line for everything that takes long: what is fetched, what is installed. It may be nil.
	Progress io.Writer
}

func (s Spec) check() error {
	switch {
	case !slices.Contains(Kinds(), s.Kind):
		return fmt.Errorf("broker %q: want one of %s", s.Kind, names(Kinds()))
	case s.Kind == Kafka && s.Nodes != 1 && s.Nodes != 3:
		return fmt.Errorf("%s: %d nodes: want 1 or 3", s.Kind, s.Nodes)
	case s.Kind != Kafka && s.Nodes != 1:
		return fmt.Errorf("%s: %d nodes: want 1", s.Kind, s.Nodes)
	case s.Kind == Fauxqs && s.Durable:
		return fmt.Errorf("%s: keeps nothing over a restart", s.Kind)
	}
	return nil
}

// Broker is one that Start started, up or down. Its methods may be called from several goroutines.
type Broker struct {
	spec    Spec
	dir     string
	ours    bool // the directory
	store   *store
	version string // the pinned one, "" if it says so itself
	ports   []reservation
	helpers []*Node // what the nodes need beside them, started before and stopped after them
	nodes   []*Node
}

// Start starts a broker and returns when all its nodes answer. What is missing on the machine is installed or fetched, which may take minutes; see Prepare.
// If it fails nothing is left running. Call Remove when the broker is not needed any more.
func Start(ctx context.Context, spec Spec) (*Broker, error) {
	spec.Nodes = max(spec.Nodes, 1)
	if err := spec.check(); err != nil {
		return nil, err
	}
	if err := Prepare(ctx, spec.Cache, spec.Progress, spec.Kind); err != nil {
		return nil, err
	}
	b := &Broker{spec: spec}
	err := b.set(ctx)
	if err == nil {
		err = b.Restart(ctx)
	}
	if err == nil {
		return b, nil
	}
	if !strings.HasPrefix(err.Error(), string(spec.Kind)) {
		err = fmt.Errorf("%s: %w", spec.Kind, err)
	}
	if removed := b.Remove(context.WithoutCancel(ctx)); removed != nil {
		return nil, fmt.Errorf("%w; %w", err, removed)
	}
	return nil, err
}

// set makes the directory and everything in it, and the nodes, which do not run.
func (b *Broker) set(ctx context.Context) (err error) {
	if b.store, err = newStore(b.spec.Cache, b.spec.Progress); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.spec.Dir); err != nil {
		return err
	}
	if b.spec.Dir != "" {
		err = os.MkdirAll(b.dir, 0o755) //nolint:gosec // PostgreSQL runs as another user
	} else if b.dir, err = os.MkdirTemp("", "patron-"+string(b.spec.Kind)+"-"); err == nil {
		b.ours = true
		err = os.Chmod(b.dir, 0o755) //nolint:gosec // PostgreSQL runs as another user
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("it was not set up within %v", startTime))
	defer cancel()
	switch b.spec.Kind {
	case Kafka:
		return b.setKafka(ctx)
	case RabbitMQ:
		return b.setRabbitMQ()
	case Redis:
		return b.setRedis()
	case PostgreSQL:
		return b.setPostgreSQL(ctx)
	case MariaDB:
		return b.setMariaDB(ctx)
	case ElasticMQ:
		return b.setElasticMQ()
	case Fauxqs:
		return b.setFauxqs()
	}
	return errors.ErrUnsupported
}

// reserve takes n ports, which are the broker's until Remove.
func (b *Broker) reserve(n int) ([]int, error) {
	taken, err := reserve(n)
	if err != nil {
		return nil, err
	}
	b.ports = append(b.ports, taken...)
	ports := make([]int, n)
	for i, r := range taken {
		ports[i] = r.port
	}
	return ports, nil
}

// add adds a node that listens on the port.
func (b *Broker) add(name string, port int, c command) {
	c.log = filepath.Join(b.dir, name+".log")
	b.nodes = append(b.nodes, &Node{name: name, address: loopback(port), command: c, detached: b.spec.Detached, probe: b.spec.Kind.Probe})
}

// program is the path of a program that Prepare saw.
func (b *Broker) program(name string) (string, error) {
	for _, p := range b.spec.Kind.needs().programs {
		if p.name == name {
			return p.find()
		}
	}
	return "", fmt.Errorf("program %s is in no table", name)
}

// write writes a file into the broker's directory and returns its path.
func (b *Broker) write(name, text string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // no secret is in it, and PostgreSQL runs as another user
}

// Kind is what it is.
func (b *Broker) Kind() Kind { return b.spec.Kind }

// Dir is where its data and logs are.
func (b *Broker) Dir() string { return b.dir }

// Version is what it says of itself, or, if it does not, what was started.
func (b *Broker) Version() string {
	if b.version != "" {
		return b.version
	}
	n := b.nodes[0]
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.version
}

// Nodes are its processes.
func (b *Broker) Nodes() []*Node { return slices.Clone(b.nodes) }

// Address is where it is: hosts and ports, with commas between those of several nodes. It stays the same over restarts.
func (b *Broker) Address() string {
	list := make([]string, len(b.nodes))
	for i, n := range b.nodes {
		list[i] = n.address
	}
	return strings.Join(list, ",")
}

// Env are the variables that tests need to find it: see Kind.Variable.
func (b *Broker) Env() map[string]string {
	return map[string]string{b.spec.Kind.Variable(): b.spec.Kind.Value(b.Address())}
}

// Restart starts, on their data, the nodes that do not run, and returns when all answer. One that fails does not keep the others from running.
func (b *Broker) Restart(ctx context.Context) error {
	for _, n := range b.helpers {
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return errors.Join(inParallel(b.nodes, func(n *Node) error { return n.Start(ctx) })...)
}

// Kill kills all nodes at once with SIGKILL, and returns when they are gone.
func (b *Broker) Kill(ctx context.Context) error {
	return errors.Join(inParallel(b.nodes, func(n *Node) error { return n.Kill(ctx) })...)
}

// Stop asks all nodes to end and waits for them; see Node.Stop. Afterwards no process of the broker is left, also if they were killed before.
func (b *Broker) Stop(ctx context.Context) error {
	errs := inParallel(b.nodes, func(n *Node) error { return n.Stop(ctx) })
	return errors.Join(append(errs, inParallel(b.helpers, func(n *Node) error { return n.Stop(ctx) })...)...)
}

// Remove kills what runs, gives the ports back, and removes the directory if Spec.Dir did not name it. The broker cannot be started again.
func (b *Broker) Remove(ctx context.Context) error {
	errs := []error{b.Kill(ctx)}
	for _, n := range b.helpers {
		errs = append(errs, n.Kill(ctx))
	}
	errs = append(errs, release(b.ports))
	b.ports = nil
	if b.ours {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}
