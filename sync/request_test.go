package sync_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

func newRequest(body string) *psync.Request {
	return psync.NewRequest(nil, strings.NewReader(body), nil, json.Decode)
}

func TestARequestIsReadByNames(t *testing.T) {
	t.Parallel()
	req := psync.NewRequest(map[string]string{"id": "7"}, nil, map[string]string{"Content-Type": "a", "X-REQUEST-ID": "b"}, nil)

	for name, want := range map[string]string{"Content-Type": "a", "content-type": "a", "X-Request-Id": "b", "Accept": ""} {
		if got := req.Header(name); got != want {
			t.Errorf("Header(%q): got %q, want %q", name, got, want)
		}
	}
	if got := req.Field("id"); got != "7" {
		t.Errorf("Field: got %q, want %q", got, "7")
	}
	if got := req.Fields["id"] + req.Headers["Content-Type"]; got != "7a" {
		t.Errorf("Fields and Headers: got %q, want %q", got, "7a")
	}
}

func TestEverythingOfARequestMayBeNil(t *testing.T) {
	t.Parallel()
	req := psync.NewRequest(nil, nil, nil, json.Decode)

	if got := req.Field("a") + req.Header("b"); got != "" {
		t.Errorf("Field and Header: got %q, want nothing", got)
	}
	err := req.Decode(new(int))
	want := "InvalidArgument: empty input: want a JSON value: unexpected end of JSON input"
	if err == nil || err.Error() != want {
		t.Errorf("Decode: got %v, want %q", err, want)
	}
	if err := psync.NewRequest(nil, nil, nil, nil).Decode(new(int)); psync.CodeOf(err) != psync.Internal {
		t.Errorf("Decode without a function: got %v, want Internal", err)
	}
}

func TestDecodeSaysWhoseFaultItIs(t *testing.T) {
	t.Parallel()
	custom := errors.New("custom")
	coded := psync.NewError(psync.DataLoss, "m")
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		req   *psync.Request
		code  psync.Code
		text  string // for the caller
		cause error
	}{
		"data that does not fit": {newRequest(`{"a":"x","b":"y"}`), psync.InvalidArgument, "the input has 2 faults", nil},
		"data that is not JSON":  {newRequest(`{`), psync.InvalidArgument, "JSON that ends early, after byte 1", nil},
		"a decoder of the user": {
			psync.NewRequest(nil, nil, nil, func(io.Reader, any) error { return custom }),
			psync.InvalidArgument, "the input cannot be decoded", custom,
		},
		"a coded error of a decoder": {
			psync.NewRequest(nil, nil, nil, func(io.Reader, any) error { return fmt.Errorf("x: %w", coded) }),
			psync.DataLoss, "m", coded,
		},
		"a content type": {
			psync.NewRequest(nil, nil, nil, func(io.Reader, any) error {
				return &encoding.MediaTypeError{Header: "a/b", Supported: []string{"c/d"}, Err: encoding.ErrContentType}
			}),
			psync.InvalidArgument, `unsupported content type: "a/b": want c/d`, encoding.ErrContentType,
		},
		"too much data": {
			psync.NewRequest(nil, nil, nil, func(io.Reader, any) error {
				return &encoding.DataError{Detail: "longer than 7 bytes", Err: encoding.ErrTooLarge}
			}),
			psync.InvalidArgument, "longer than 7 bytes", encoding.ErrTooLarge,
		},
		"a broken connection": {
			psync.NewRequest(nil, io.MultiReader(strings.NewReader(`{"a":1`), iotest.ErrReader(broken)), nil, json.Decode), psync.Unknown, "", broken,
		},
		"a broken connection that the decoder hides": {
			psync.NewRequest(nil, iotest.ErrReader(broken), nil, func(r io.Reader, _ any) error {
				_, _ = io.ReadAll(r)
				return &encoding.DataError{Detail: "malformed"}
			}),
			psync.Unknown, "", broken,
		},
		"a body that is cut": {psync.NewRequest(nil, iotest.ErrReader(io.ErrUnexpectedEOF), nil, json.Decode), psync.Unknown, "", io.ErrUnexpectedEOF},
	} {
		err := c.req.Decode(&struct{ A, B int }{})

		if got := psync.CodeOf(err); got != c.code {
			t.Errorf("%s: got %v (%v), want %v", name, got, err, c.code)
		}
		if e, ok := errors.AsType[*psync.Error](err); ok != (c.text != "") || ok && e.Message != c.text {
			t.Errorf("%s: got %#v, want the message %q", name, err, c.text)
		}
		if c.cause != nil && !errors.Is(err, c.cause) {
			t.Errorf("%s: got %v, want %v in it", name, err, c.cause)
		}
	}
	if err := newRequest(`{}`).Decode(7); psync.CodeOf(err) != psync.Internal {
		t.Errorf("Decode into what is no pointer: got %v, want Internal", err)
	}
}

// limitError stands for http.MaxBytesError: whoever answers the request looks for its type.
type limitError struct{ limit int }

func (e *limitError) Error() string { return fmt.Sprintf("over %d bytes", e.limit) }

func TestAnErrorOfTheBodyStaysVisible(t *testing.T) {
	t.Parallel()
	over := &limitError{limit: 7}
	body := func() *psync.Request {
		return psync.NewRequest(nil, io.MultiReader(strings.NewReader(`{"invoice":`), iotest.ErrReader(over)), nil, json.Decode)
	}
	_, handled := handleOrder(t.Context(), body())
	for name, err := range map[string]error{"Decode": body().Decode(new(order)), "Handle": handled} {
		if e, ok := errors.AsType[*limitError](err); !ok || e != over {
			t.Errorf("%s: got %v, want the error of the body in it", name, err)
		}
		if err == nil || err.Error() != "body: over 7 bytes" {
			t.Errorf("%s: got %v, want %q", name, err, "body: over 7 bytes")
		}
	}
}

func TestABodyIsReadOnce(t *testing.T) {
	t.Parallel()
	req := newRequest(`{"A":7}`)
	var v struct{ A int }

	first, second := req.Decode(&v), req.Decode(&v)

	if first != nil || v.A != 7 {
		t.Errorf("the first time: got %v and %v", v, first)
	}
	if psync.CodeOf(second) != psync.InvalidArgument {
		t.Errorf("the second time: got %v, want InvalidArgument", second)
	}
}

func TestADecoderLearnsTheLengthOfTheBody(t *testing.T) {
	t.Parallel()
	lengths := func(raw io.Reader) (n int) {
		req := psync.NewRequest(nil, raw, nil, func(r io.Reader, _ any) error {
			n = r.(interface{ Len() int }).Len()
			return nil
		})
		if err := req.Decode(nil); err != nil {
			t.Errorf("Decode: %v", err)
		}
		return n
	}
	got := []int{lengths(bytes.NewReader(make([]byte, 7))), lengths(io.MultiReader())}
	if diff := cmp.Diff([]int{7, -1}, got); diff != "" {
		t.Errorf("Len: want -, got +\n%s", diff)
	}
}
