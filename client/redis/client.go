package redis

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"weak"

	"github.com/redis/go-redis/v9"
)

// errNoOptions says that there are no options of go-redis.
var errNoOptions = errors.New("options are nil")

// New returns a client of one server whose calls are seen, or every fault of the options oo. It opens nothing; o is copied. What is wrong with o is said by
// go-redis, when it is used or by a panic.
func New(o *redis.Options, oo ...OptionFunc) (*redis.Client, error) {
	c, err := newConfig(oo)
	if o == nil {
		err = errors.Join(errNoOptions, err)
	}
	if err != nil {
		return nil, fmt.Errorf("redis client: %w", err)
	}
	client := redis.NewClient(o)
	client.AddHook(newHook(c, targetOf(client)))
	return client, nil
}

// NewUniversal returns a client of a server, of a server that sentinels know, or of a cluster, as redis.NewUniversalClient chooses, whose calls are seen. In
// all else it is [New].
func NewUniversal(o *redis.UniversalOptions, oo ...OptionFunc) (redis.UniversalClient, error) {
	c, err := newConfig(oo)
	if o == nil {
		err = errors.Join(errNoOptions, err)
	}
	if err != nil {
		return nil, fmt.Errorf("redis client: %w", err)
	}
	client := redis.NewUniversalClient(o)
	client.AddHook(newHook(c, targetOf(client)))
	return client, nil
}

// Instrument makes the calls of client seen from now on. It must be called once, and before client is used. A client of a type that go-redis does not have is
// refused.
func Instrument(client redis.UniversalClient, oo ...OptionFunc) error {
	c, err := newConfig(oo)
	t := targetOf(client)
	if t == nil {
		err = errors.Join(fmt.Errorf("client %T: want one of go-redis", client), err)
	}
	if err != nil {
		return fmt.Errorf("redis client: %w", err)
	}
	client.AddHook(newHook(c, t))
	return nil
}

// target is what is known of where a client leads.
type target struct {
	name     string // for the pool
	host     string
	port     int // 0: not known
	database string
	// pool reads the state of the pool; false: the client is gone.
	pool func() (stats *redis.PoolStats, ok bool)
	most int // connections that the pool may have; 0: not known
}

// targetOf returns the target of client, or nil if there is none. It keeps no client from being collected.
func targetOf(client redis.UniversalClient) *target {
	switch client := client.(type) {
	case *redis.Client:
		if client == nil {
			return nil
		}
		o := client.Options()
		t := newTarget(o.Addr, strconv.Itoa(o.DB))
		t.pool = poolOf(client)
		t.most = o.PoolSize
		return t
	case *redis.ClusterClient:
		if client == nil {
			return nil
		}
		address := ""
		if addrs := client.Options().Addrs; len(addrs) > 0 {
			address = addrs[0]
		}
		t := newTarget(address, "0")
		t.pool = poolOf(client)
		return t
	case *redis.Ring:
		if client == nil {
			return nil
		}
		t := newTarget("ring", strconv.Itoa(client.Options().DB))
		t.pool = poolOf(client)
		return t
	default:
		return nil
	}
}

func newTarget(address, database string) *target {
	t := &target{name: address + "/" + database, host: address, database: database}
	if host, port, err := net.SplitHostPort(address); err == nil {
		t.host = host
		t.port, _ = strconv.Atoi(port)
	}
	return t
}

// pooled is a client with a pool.
type pooled[T any] interface {
	*T
	PoolStats() *redis.PoolStats
}

// poolOf reads the pool of client for as long as somebody else has it.
func poolOf[T any, P pooled[T]](client P) func() (*redis.PoolStats, bool) {
	pointer := weak.Make((*T)(client))
	return func() (*redis.PoolStats, bool) {
		if c := P(pointer.Value()); c != nil {
			return c.PoolStats(), true
		}
		return nil, false
	}
}
