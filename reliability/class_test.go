package reliability_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/reliability"
	psync "github.com/beatlabs/patron/sync"
	"pgregory.net/rapid"
)

// classes says for every code what its class is.
var classes = map[psync.Code]reliability.Class{
	psync.Canceled:           reliability.ClassCanceled,
	psync.Unknown:            reliability.ClassTransient,
	psync.InvalidArgument:    reliability.ClassPermanent,
	psync.DeadlineExceeded:   reliability.ClassTransient,
	psync.NotFound:           reliability.ClassPermanent,
	psync.AlreadyExists:      reliability.ClassPermanent,
	psync.PermissionDenied:   reliability.ClassPermanent,
	psync.ResourceExhausted:  reliability.ClassTransient,
	psync.FailedPrecondition: reliability.ClassPermanent,
	psync.Aborted:            reliability.ClassTransient,
	psync.OutOfRange:         reliability.ClassPermanent,
	psync.Unimplemented:      reliability.ClassPermanent,
	psync.Internal:           reliability.ClassTransient,
	psync.Unavailable:        reliability.ClassTransient,
	psync.DataLoss:           reliability.ClassPermanent,
	psync.Unauthenticated:    reliability.ClassPermanent,
}

func TestEveryCodeHasItsClass(t *testing.T) {
	t.Parallel()
	for code := range psync.Codes() {
		want, ok := classes[code]
		if !ok {
			t.Fatalf("code %v: the test does not know it", code)
		}
		err := fmt.Errorf("orders: %w", psync.NewError(code, "m"))
		if got := reliability.Classify(err); got != want {
			t.Errorf("Classify(%v): got %v, want %v", err, got, want)
		}
	}
}

// classedError is an error that knows its class.
type classedError struct{ class reliability.Class }

func (e *classedError) Error() string            { return "self-classed" }
func (e *classedError) Class() reliability.Class { return e.class }

func TestClassify(t *testing.T) {
	t.Parallel()
	plain := errors.New("x")
	notFound := psync.NewError(psync.NotFound, "m")
	for name, c := range map[string]struct {
		err  error
		want reliability.Class
	}{
		"nil":                           {nil, reliability.ClassNone},
		"a plain error":                 {plain, reliability.ClassTransient},
		"the end of a stream":           {io.EOF, reliability.ClassTransient},
		"a file that is missing":        {fs.ErrNotExist, reliability.ClassTransient},
		"a deadline":                    {context.DeadlineExceeded, reliability.ClassTransient},
		"a cancellation":                {context.Canceled, reliability.ClassCanceled},
		"a wrapped cancellation":        {fmt.Errorf("x: %w", context.Canceled), reliability.ClassCanceled},
		"a joined cancellation":         {errors.Join(plain, context.Canceled), reliability.ClassCanceled},
		"a code around a cancellation":  {&psync.Error{Code: psync.Unavailable, Err: context.Canceled}, reliability.ClassTransient},
		"a code that is none":           {&psync.Error{Code: 99}, reliability.ClassTransient},
		"a nil Error":                   {(*psync.Error)(nil), reliability.ClassTransient},
		"a permanent mark":              {reliability.Permanent(plain), reliability.ClassPermanent},
		"a transient mark":              {reliability.Transient(plain), reliability.ClassTransient},
		"a mark against the code":       {reliability.Transient(notFound), reliability.ClassTransient},
		"a mark inside of a code":       {&psync.Error{Code: psync.Unavailable, Err: reliability.Permanent(plain)}, reliability.ClassPermanent},
		"the outer of two marks":        {reliability.Transient(reliability.Permanent(plain)), reliability.ClassTransient},
		"a wrapped mark":                {fmt.Errorf("x: %w", reliability.Permanent(plain)), reliability.ClassPermanent},
		"a permanent mark on a cancel":  {reliability.Permanent(context.Canceled), reliability.ClassPermanent},
		"an error that knows its class": {fmt.Errorf("x: %w", &classedError{reliability.ClassCanceled}), reliability.ClassCanceled},
		"a mark on one that knows":      {reliability.Permanent(&classedError{reliability.ClassTransient}), reliability.ClassPermanent},
		"a panic":                       {reliability.Recovered("x"), reliability.ClassTransient},
		"a panic with a coded error":    {reliability.Recovered(notFound), reliability.ClassPermanent},
		"a request that is not JSON":    {decode(strings.NewReader("{")), reliability.ClassPermanent},
		"a request that does not fit":   {decode(strings.NewReader(`"x"`)), reliability.ClassPermanent},
		"a request that breaks off":     {decode(&broken{}), reliability.ClassTransient},
	} {
		if got := reliability.Classify(c.err); got != c.want {
			t.Errorf("Classify of %s: got %v, want %v", name, got, c.want)
		}
	}
}

func decode(body io.Reader) error {
	return psync.NewRequest(nil, body, nil, json.Decode).Decode(new(int))
}

// broken is a reader whose connection is gone.
type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAMarkChangesNothingButTheClass(t *testing.T) {
	t.Parallel()
	cause := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	for name, mark := range map[string]func(error) error{"Permanent": reliability.Permanent, "Transient": reliability.Transient} {
		err := mark(fmt.Errorf("orders: %w", cause))

		if got, want := err.Error(), "orders: open x: file does not exist"; got != want {
			t.Errorf("%s: got text %q, want %q", name, got, want)
		}
		if got, ok := errors.AsType[*fs.PathError](err); !ok || got != cause || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s hides its error: %v", name, err)
		}
		if mark(nil) != nil {
			t.Errorf("%s(nil): got an error, want nil", name)
		}
	}
}

func TestTheOutermostMarkDecides(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		err, want := errors.New("x"), reliability.ClassTransient
		for _, step := range rapid.SliceOf(rapid.IntRange(0, 3)).Draw(t, "layers") {
			switch step {
			case 0:
				err, want = reliability.Permanent(err), reliability.ClassPermanent
			case 1:
				err, want = reliability.Transient(err), reliability.ClassTransient
			case 2:
				err = fmt.Errorf("layer: %w", err)
			default:
				err = errors.Join(errors.New("beside"), err)
			}
		}
		if got := reliability.Classify(err); got != want {
			t.Fatalf("Classify: got %v, want %v", got, want)
		}
	})
}

func TestEveryClassHasAName(t *testing.T) {
	t.Parallel()
	want := []string{"none", "transient", "permanent", "canceled", "unknown class"}
	for i, name := range want {
		if got := reliability.Class(i).String(); got != name {
			t.Errorf("String of class %d: got %q, want %q", i, got, name)
		}
	}
	if got := reliability.Class(255).String(); !strings.HasPrefix(got, "unknown") {
		t.Errorf("String of what is no class: got %q", got)
	}
}

func BenchmarkClassify(b *testing.B) {
	for name, err := range map[string]error{
		"nil": nil, "plain": errors.New("x"), "coded": fmt.Errorf("x: %w", psync.NewError(psync.NotFound, "")), "marked": reliability.Permanent(errors.New("x")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = reliability.Classify(err)
			}
		})
	}
}
