package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/inbox"
	"github.com/beatlabs/patron/async/inbox/inboxtest"
	inboxredis "github.com/beatlabs/patron/async/inbox/redis"
	"github.com/beatlabs/patron/internal/faultnet"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStore(t *testing.T, o *redis.Options, oo ...inboxredis.OptionFunc) *inboxredis.Store {
	t.Helper()
	client := redis.NewClient(o)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	s, err := inboxredis.New(client, oo...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return s
}

func TestTheStoreIsOne(t *testing.T) {
	t.Parallel()
	inboxtest.Run(t, func(t *testing.T) inboxtest.Harness {
		t.Helper()
		server := miniredis.RunT(t)
		return inboxtest.Harness{Store: newStore(t, &redis.Options{Addr: server.Addr()}), Unit: time.Minute, Pass: server.FastForward}
	})
}

func TestTheStoreIsOneOnRealRedis(t *testing.T) {
	t.Parallel()
	addr := os.Getenv("PATRON_TEST_REDIS")
	if addr == "" {
		t.Skip("PATRON_TEST_REDIS is not set: make test starts the brokers")
	}
	inboxtest.Run(t, func(t *testing.T) inboxtest.Harness {
		t.Helper()
		prefix := "patron-test:" + strconv.FormatUint(rand.Uint64(), 36) + ":"
		store := newStore(t, &redis.Options{Addr: addr}, inboxredis.WithPrefix(prefix))
		t.Cleanup(func() { forget(t, addr, prefix) })
		return inboxtest.Harness{Store: store, Unit: 200 * time.Millisecond, Pass: func(d time.Duration) { <-time.After(d) }}
	})
}

// forget deletes what begins with prefix.
func forget(t *testing.T, addr, prefix string) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	ctx := context.WithoutCancel(t.Context())
	keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := client.Del(ctx, keys.Val()).Err(); err != nil {
			t.Errorf("Del: %v", err)
		}
	}
	if err := keys.Err(); err != nil {
		t.Errorf("Scan: %v", err)
	}
}

func TestAScriptThatRedisForgotIsSentAgain(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	store := newStore(t, &redis.Options{Addr: server.Addr()})
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	for i := range 3 {
		state, _, err := store.Begin(t.Context(), inbox.Key{Consumer: "c", ID: strconv.Itoa(i)}, "o", time.Minute)
		if state != inbox.Begun || err != nil {
			t.Errorf("Begin: got %v and error %v", state, err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAKeyOfSomebodyElseIsAnError(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	store := newStore(t, &redis.Options{Addr: server.Addr()}, inboxredis.WithPrefix("mine:"))
	if err := server.Set("mine:1:c:1", "something"); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Push("mine:1:c:2", "a list"); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2"} {
		if state, _, err := store.Begin(t.Context(), inbox.Key{Consumer: "c", ID: id}, "o", time.Minute); err == nil {
			t.Errorf("Begin of key %s: got %v, want an error", id, state)
		}
	}
}

func TestAFractionOfAMillisecondIsOne(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	store := newStore(t, &redis.Options{Addr: server.Addr()})
	key := inbox.Key{Consumer: "c", ID: "1"}
	if _, _, err := store.Begin(t.Context(), key, "o", time.Microsecond); err != nil {
		t.Errorf("Begin: %v", err)
	}
	if err := store.Done(t.Context(), key, time.Microsecond); err != nil {
		t.Errorf("Done: %v", err)
	}
}

// Redis is away, stalled, and back: a message is postponed meanwhile, never processed without a note, and never given up.
func TestAnOutageOfRedisPostponesMessages(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	network := faultnet.New()
	store := newStore(t, &redis.Options{
		Addr: server.Addr(), Dialer: network.DialContext, MaxRetries: -1, DialTimeout: 100 * time.Millisecond,
		ReadTimeout: 100 * time.Millisecond, WriteTimeout: 100 * time.Millisecond,
	})
	guard, err := inbox.NewGuard("c", store)
	if err != nil {
		t.Fatal(err)
	}
	middleware, err := guard.Deduplicate(async.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	effects := 0
	process := middleware(func(context.Context, *async.Message) error { effects++; return nil })
	for name, outage := range map[string]func(){"down": network.Down, "stalled": network.Stall} {
		outage()
		err := process(t.Context(), &async.Message{ID: name})
		if postponed, ok := errors.AsType[*async.PostponedError](err); !ok || postponed.After != inbox.DefaultRecheck || effects != 0 {
			t.Errorf("%s: got %v and %d effects, want it postponed by %v", name, err, effects, inbox.DefaultRecheck)
		}
		network.Up()
		server.FlushAll() // where the answer alone was lost, the lease would have to end
		if err := process(t.Context(), &async.Message{ID: name}); err != nil || effects != 1 {
			t.Errorf("%s, afterwards: got %v and %d effects, want 1", name, err, effects)
		}
		if err := process(t.Context(), &async.Message{ID: name}); !errors.Is(err, async.ErrDuplicate) || effects != 1 {
			t.Errorf("%s, again: got %v and %d effects, want a duplicate", name, err, effects)
		}
		effects = 0
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	_, err := inboxredis.New(nil, nil, inboxredis.WithPrefix(""))
	for _, want := range []string{"client is nil", "option 0 is nil", "prefix is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: got error %v, want one with %q", err, want)
		}
	}
}

func Example() {
	server, err := miniredis.Run()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()

	store, err := inboxredis.New(client)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, key := context.Background(), inbox.Key{Consumer: "mails", ID: "536365"}
	for _, owner := range []string{"one", "two"} {
		state, _, err := store.Begin(ctx, key, owner, time.Minute)
		fmt.Println(owner, state, err)
	}
	fmt.Println(store.Done(ctx, key, time.Hour))
	state, _, err := store.Begin(ctx, key, "three", time.Minute)
	fmt.Println("three", state, err)
	// Output:
	// one begun <nil>
	// two in flight <nil>
	// <nil>
	// three done <nil>
}
