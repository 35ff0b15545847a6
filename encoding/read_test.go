package encoding

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadAllReadsToTheEnd(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		want := strings.Repeat("x", size)
		for name, r := range map[string]io.Reader{
			"with a length":      strings.NewReader(want),
			"without a length":   io.MultiReader(strings.NewReader(want)),
			"byte by byte":       iotest.OneByteReader(strings.NewReader(want)),
			"data and end":       iotest.DataErrReader(strings.NewReader(want)),
			"too long a promise": promise{Reader: strings.NewReader(want), n: 1 << 60},
			"no promise":         promise{Reader: strings.NewReader(want), n: -1},
			"a broken promise":   promise{Reader: strings.NewReader(want), n: 1},
		} {
			got, err := ReadAll(r)
			if err != nil || string(got) != want {
				t.Errorf("%d bytes %s: got %d bytes and error %v", size, name, len(got), err)
			}
		}
	}
	if got, err := ReadAll(nil); err != nil || len(got) != 0 {
		t.Errorf("a nil reader: got %q and error %v", got, err)
	}
}

func TestReadAllReturnsTheErrorOfTheReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, want := range []error{broken, io.ErrUnexpectedEOF, errors.Join(broken, io.EOF)} {
		if _, err := ReadAll(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(want))); err != want { //nolint:errorlint // as it is
			t.Errorf("got %v, want %v as it is", err, want)
		}
	}
}

func TestReadAllIsBounded(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("x"), 1000)

	_, exact := readAll(bytes.NewReader(data), 1000)
	_, err := readAll(io.MultiReader(bytes.NewReader(data), strings.NewReader("x")), 1000)

	if exact != nil {
		t.Errorf("data of the limit: got %v, want nil", exact)
	}
	e, ok := errors.AsType[*DataError](err)
	if !ok || !errors.Is(err, ErrTooLarge) || e.Detail != "longer than 1000 bytes" {
		t.Errorf("data over the limit: got %v, want a DataError that is ErrTooLarge", err)
	}
}

func TestReadAllOfAKnownLengthAllocatesOnce(t *testing.T) {
	// not parallel: AllocsPerRun counts the allocations of the whole process
	data := bytes.Repeat([]byte("x"), 10_000)
	r := bytes.NewReader(data)
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(data)
		_, _ = ReadAll(r)
	}); n > 1 {
		t.Errorf("got %v allocations, want 1", n)
	}
}

// promise is a reader that says a length of its own.
type promise struct {
	io.Reader
	n int
}

func (p promise) Len() int { return p.n }
