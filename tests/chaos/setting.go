package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"
)

// setting says what a run does. Its processes get the same one on their command lines.
type setting struct {
	broker        string // one of systems
	address       string // of the broker; set by the controller for its processes
	dir           string // of the records
	messages      int
	keys          int
	producers     int
	consumers     int
	workers       int // of a producer
	concurrency   int // of a consumer
	held          int // messages that a consumer holds at most
	rate          int // messages a second of all producers; 0: as fast as it goes
	brokerKills   int
	consumerKills int
	leaves        int // consumers that are stopped in good order, and started again
	seed          int64
	wrong         string // "", acks1, settle-first
	duplicates    float64
	least         float64       // messages handled a second
	patience      time.Duration // the longest time without progress
	instance      int           // of the process
	stream        string        // topic or queue, and group
}

// roles are the first argument of a process that the controller starts.
const (
	roleProduce = "produce"
	roleConsume = "consume"
)

func parseSetting(args []string, output io.Writer) (setting, error) {
	s := setting{}
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	fs.SetOutput(output)
	fs.StringVar(&s.broker, "broker", "rabbitmq", "one of "+systemNames()+"; kafka is one node, kafka3 are three, any of which is killed")
	fs.IntVar(&s.messages, "messages", 100_000, "how many are published")
	fs.IntVar(&s.keys, "keys", 512, "over which they are spread")
	fs.IntVar(&s.producers, "producers", 2, "processes that publish")
	fs.IntVar(&s.consumers, "consumers", 3, "processes that consume")
	fs.IntVar(&s.workers, "workers", 2, "messages that a producer has on the wire; a kill of the broker can double each")
	fs.IntVar(&s.concurrency, "concurrency", 4, "handlers of a consumer that run at the same time")
	fs.IntVar(&s.held, "held", 16, "messages that a consumer holds at most; its kill can double each")
	fs.IntVar(&s.rate, "rate", 0, "messages a second that are offered; 0: as fast as they are confirmed")
	fs.IntVar(&s.brokerKills, "broker-kills", 20, "how often a node of the broker is killed")
	fs.IntVar(&s.consumerKills, "consumer-kills", 20, "how often a consumer is killed")
	fs.IntVar(&s.leaves, "leaves", 3, "how often a consumer is stopped in good order and started again")
	fs.Int64Var(&s.seed, "seed", 0, "of the moments; 0: another one each time")
	fs.StringVar(&s.wrong, "wrong", "", "run a wrong build, which must be found out: acks1 (a producer that takes the word of one replica) or settle-first")
	fs.Float64Var(&s.duplicates, "duplicates", 0.003, "the share of messages that may be handled twice")
	fs.Float64Var(&s.least, "least", 0, "how many messages must be handled a second")
	fs.DurationVar(&s.patience, "patience", 2*time.Minute, "the longest time without progress")
	fs.StringVar(&s.dir, "dir", "", "where records and logs go (default: a temporary directory, which is kept after a failure)")
	fs.StringVar(&s.address, "address", "", "")
	fs.StringVar(&s.stream, "stream", "chaos", "")
	fs.IntVar(&s.instance, "instance", 0, "")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	var errs []error
	if fs.NArg() > 0 {
		errs = append(errs, fmt.Errorf("argument %q: want flags only", fs.Arg(0)))
	}
	for name, n := range map[string]int{
		"messages": s.messages, "keys": s.keys, "producers": s.producers, "consumers": s.consumers, "workers": s.workers, "concurrency": s.concurrency,
		"held": s.held,
	} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("-%s %d: want at least 1", name, n))
		}
	}
	for name, n := range map[string]int{"rate": s.rate, "broker-kills": s.brokerKills, "consumer-kills": s.consumerKills, "leaves": s.leaves} {
		if n < 0 {
			errs = append(errs, fmt.Errorf("-%s %d: want at least 0", name, n))
		}
	}
	if _, ok := systems()[s.broker]; !ok {
		errs = append(errs, fmt.Errorf("-broker %q: want one of %s", s.broker, systemNames()))
	}
	switch s.wrong {
	case "", wrongSettle:
	case wrongAcks:
		if s.broker != "kafka3" {
			errs = append(errs, fmt.Errorf("-wrong acks1 with -broker %s: want kafka3, where there are replicas", s.broker))
		}
	default:
		errs = append(errs, fmt.Errorf("-wrong %q: want acks1 or settle-first", s.wrong))
	}
	return s, errors.Join(errs...)
}

// The wrong builds.
const (
	wrongAcks   = "acks1"
	wrongSettle = "settle-first"
)

// args are the command line of a process of the run.
func (s setting) args(role string, instance int) []string {
	args := []string{role, "-broker", s.broker, "-address", s.address, "-dir", s.dir, "-stream", s.stream, "-wrong", s.wrong}
	number := func(name string, n int) { args = append(args, name, strconv.Itoa(n)) }
	number("-messages", s.messages)
	number("-keys", s.keys)
	number("-producers", s.producers)
	number("-consumers", s.consumers)
	number("-workers", s.workers)
	number("-concurrency", s.concurrency)
	number("-held", s.held)
	number("-rate", s.rate)
	number("-instance", instance)
	return args
}

// of says how many messages a key has: they are spread evenly.
func (s setting) of(key int) int {
	n := s.messages / s.keys
	if key < s.messages%s.keys {
		n++
	}
	return n
}
