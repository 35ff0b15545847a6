package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/beatlabs/patron/async/inbox"
	"github.com/redis/go-redis/v9"
)

// DefaultPrefix is what every key begins with.
const DefaultPrefix = "patron:inbox:"

// OptionFunc changes what [New] makes. It checks its value.
type OptionFunc func(*Store) error

// WithPrefix sets what every key begins with. The default is [DefaultPrefix].
func WithPrefix(prefix string) OptionFunc {
	return func(s *Store) error {
		if prefix == "" {
			return errors.New("prefix is empty")
		}
		s.prefix = prefix
		return nil
	}
}

// Store is an inbox.Store in Redis. It may be used concurrently. Make it with [New].
type Store struct {
	client                        redis.UniversalClient
	prefix                        string
	begin, extend, done, forsaken *redis.Script
}

var _ inbox.Store = (*Store)(nil)

// The value of a key is doneMark, or flightMark and the owner.
const (
	doneMark   = "done"
	flightMark = "by:"
)

// The scripts work on one key, which all of them declare, so they run on a cluster as well. Times are in milliseconds.
const (
	// Nothing that says begun can have been written by another: SET NX and the comparison are one step. What is left of a key that never ends, which is none of
	// ours, counts as the whole lease.
	beginScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {'begun', 0} end
local v = redis.call('GET', KEYS[1])
if v == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {'begun', 0}
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then left = tonumber(ARGV[2]) end
return {v, left}`
	extendScript  = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`
	doneScript    = `redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1`
	abandonScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`
)

// New returns a store over client, which stays the caller's, who closes it last. It opens nothing, and returns every fault of its arguments, joined.
func New(client redis.UniversalClient, oo ...OptionFunc) (*Store, error) {
	s := &Store{
		client: client, prefix: DefaultPrefix, begin: redis.NewScript(beginScript), extend: redis.NewScript(extendScript), done: redis.NewScript(doneScript),
		forsaken: redis.NewScript(abandonScript),
	}
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("client is nil"))
	}
	for i, o := range oo {
		if o == nil {
			errs = append(errs, fmt.Errorf("option %d is nil", i))
			continue
		}
		errs = append(errs, o(s))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("inbox: redis: %w", err)
	}
	return s, nil
}

// keyOf returns the Redis key. The length says where the consumer ends, whatever is in it.
func (s *Store) keyOf(key inbox.Key) []string {
	return []string{s.prefix + strconv.Itoa(len(key.Consumer)) + ":" + key.Consumer + ":" + key.ID}
}

// Begin implements inbox.Store.
func (s *Store) Begin(ctx context.Context, key inbox.Key, owner string, lease time.Duration) (inbox.State, time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, failed("begin", err)
	}
	answer, err := s.begin.Run(ctx, s.client, s.keyOf(key), flightMark+owner, millis(lease)).Slice()
	if err != nil {
		return 0, 0, failed("begin", err)
	}
	if len(answer) == 2 {
		state, _ := answer[0].(string)
		left, ok := answer[1].(int64)
		switch {
		case !ok:
		case state == "begun":
			return inbox.Begun, 0, nil
		case state == doneMark:
			return inbox.Done, 0, nil
		case len(state) > len(flightMark) && state[:len(flightMark)] == flightMark:
			return inbox.InFlight, time.Duration(max(left, 1)) * time.Millisecond, nil
		}
	}
	return 0, 0, failed("begin", errForeign)
}

// errForeign says that something else wrote to a key of ours.
var errForeign = errors.New("the key holds what no inbox wrote: choose another prefix")

// Extend implements inbox.Store.
func (s *Store) Extend(ctx context.Context, key inbox.Key, owner string, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return failed("extend", err)
	}
	n, err := s.extend.Run(ctx, s.client, s.keyOf(key), flightMark+owner, millis(lease)).Int64()
	if err == nil && n != 1 {
		err = inbox.ErrNotOwner
	}
	return failed("extend", err)
}

// Done implements inbox.Store.
func (s *Store) Done(ctx context.Context, key inbox.Key, ttl time.Duration) error {
	if err := ctx.Err(); err != nil {
		return failed("done", err)
	}
	return failed("done", s.done.Run(ctx, s.client, s.keyOf(key), doneMark, millis(ttl)).Err())
}

// Abandon implements inbox.Store.
func (s *Store) Abandon(ctx context.Context, key inbox.Key, owner string) error {
	if err := ctx.Err(); err != nil {
		return failed("abandon", err)
	}
	return failed("abandon", s.forsaken.Run(ctx, s.client, s.keyOf(key), flightMark+owner).Err())
}

// millis rounds up: a lease that is shorter than it was said to be is no lease, and 0 is an error of Redis.
func millis(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

func failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("inbox: redis: %s: %w", operation, err)
}
