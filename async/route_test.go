package async_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/beatlabs/patron/async/memory"
	"github.com/beatlabs/patron/reliability"
)

// noting returns a processor that notes its name and the ID of each message.
func noting(j *journal, name string) async.ProcessorFunc {
	return func(_ context.Context, m *async.Message) error {
		j.addf("%s %s", name, m.ID)
		return nil
	}
}

func TestMessagesGoToTheProcessorOfTheirType(t *testing.T) {
	t.Parallel()
	j := &journal{}
	proc, err := async.Route(async.OnType("placed", noting(j, "place")), async.OnType("paid", noting(j, "pay")), async.Otherwise(noting(j, "else")))
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range []async.Headers{
		{{Key: async.HeaderType, Value: "placed"}},
		{{Key: "patron-message-type", Value: "paid"}},
		{{Key: "ce_type", Value: "paid"}},
		{{Key: "cloudEvents:type", Value: "paid"}},
		{{Key: "cloudEvents_type", Value: "placed"}},
		{{Key: "Ce-Type", Value: "plac%65d"}},
		{{Key: "ce_type", Value: "paid"}, {Key: async.HeaderType, Value: "placed"}}, // our own wins
		{{Key: async.HeaderType, Value: "Placed"}},                                  // types are compared as they are
		nil,
	} {
		if err := proc(t.Context(), &async.Message{ID: strconv.Itoa(i), Headers: h}); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	j.want(t, "place 0", "pay 1", "pay 2", "pay 3", "place 4", "place 5", "place 6", "else 7", "else 8")
}

func TestTheTypeMayComeFromAnywhere(t *testing.T) {
	t.Parallel()
	j := &journal{}
	proc, err := async.Route(async.OnType("a", noting(j, "a")), async.ByFunc(func(m *async.Message) string { return string(m.Key) }))
	if err != nil {
		t.Fatal(err)
	}
	if err := proc(t.Context(), keyed("1", "a")); err != nil {
		t.Error(err)
	}
	j.want(t, "a 1")
}

func TestAnUnknownTypeIsPermanentAndNamed(t *testing.T) {
	t.Parallel()
	proc, err := async.Route(async.OnType("placed", noting(&journal{}, "")))
	if err != nil {
		t.Fatal(err)
	}
	for typ, text := range map[string]string{"lost": `route: message of unknown type "lost"`, "": "route: message without a type"} {
		err := proc(t.Context(), &async.Message{Headers: async.Headers{{Key: async.HeaderType, Value: typ}}})
		unknown, ok := errors.AsType[*async.UnknownTypeError](err)
		if !ok || unknown.Type != typ || err.Error() != text || reliability.Classify(err) != reliability.ClassPermanent {
			t.Errorf("got %#v, want an UnknownTypeError of type %q, which is permanent and says %q", err, typ, text)
		}
	}
}

func TestAMessageOfUnknownTypeIsADeadLetterAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t)
		proc, err := async.Route(async.OnType("placed", noting(&journal{}, "")))
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, b, newComponent(t, b, proc), time.Minute)
		if err := async.Publish(t.Context(), b.Producer("q"), "k", 1, async.WithType("lost")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		letters := b.DeadLetters("q")
		if len(letters) != 1 || letters[0].Headers.Get(async.HeaderDeadAttempt) != "1" ||
			letters[0].Headers.Get(async.HeaderDeadCause) != `route: message of unknown type "lost"` {
			t.Errorf("dead letters: got %+v, want one that names the type, after one attempt", letters)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestARouterSaysEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	proc := noting(&journal{}, "")
	_, err := async.Route(async.OnType("", proc), async.OnType("a", nil), async.OnType("b", proc), async.OnType("b", proc), nil,
		async.Otherwise(nil), async.Otherwise(proc), async.Otherwise(proc), async.ByFunc(nil))
	if err == nil {
		t.Fatal("got nil, want an error")
	}
	for _, part := range []string{
		"async: route: empty type", `type "a": processor is nil`, `type "b" has two processors`, "option 4 is nil", "otherwise: processor is nil",
		"otherwise: given twice", "by function: it is nil",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to say %q", err, part)
		}
	}
	if _, err := async.Route(); err == nil || !strings.Contains(err.Error(), "no types") {
		t.Errorf("no options: got %v, want an error", err)
	}
}

// Two kinds of messages travel in one queue, in the order of their key.
func ExampleRoute() {
	type order struct {
		Invoice string `json:"invoice"`
	}
	broker, err := memory.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	proc, err := async.Route(
		async.OnType("order.placed", async.Handle(func(_ context.Context, o order) error {
			fmt.Println("placed", o.Invoice)
			return nil
		})),
		async.OnType("order.cancelled", async.Handle(func(_ context.Context, o order) error {
			fmt.Println("cancelled", o.Invoice)
			return nil
		})),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	orders, err := async.New("orders", broker.Consumer("orders"), proc)
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, stop := context.WithCancel(context.Background())
	for _, name := range []string{"order.placed", "order.cancelled"} {
		if err := async.Publish(ctx, broker.Producer("orders"), "17850", order{"536365"}, async.WithType(name)); err != nil {
			fmt.Println(err)
		}
	}
	stop() // a service does it; the component finishes what is there
	fmt.Println(orders.Run(ctx))
	// Output:
	// placed 536365
	// cancelled 536365
	// <nil>
}
