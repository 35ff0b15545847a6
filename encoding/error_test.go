package encoding_test

import (
	"errors"
	"testing"

	"github.com/beatlabs/patron/encoding"
)

func TestADataErrorTellsTheSenderWithoutTheData(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause that quotes the data")
	for want, err := range map[string]*encoding.DataError{
		"malformed JSON at byte 7": {Detail: "malformed JSON at byte 7", Err: cause},
		`1 value does not fit: "/a" must be a string`: {
			Detail: "1 value does not fit", Err: cause, Faults: []encoding.Fault{{Pointer: "/a", Detail: "must be a string"}},
		},
		`2 values do not fit: "/a" must be a string (and 1 more)`: {
			Detail: "2 values do not fit", Err: cause, Faults: []encoding.Fault{{Pointer: "/a", Detail: "must be a string"}, {}},
		},
	} {
		if got := err.Error(); got != want {
			t.Errorf("Error: got %q, want %q", got, want)
		}
		if !errors.Is(err, cause) {
			t.Errorf("errors.Is(%v, cause): got false", err)
		}
	}
}

func TestFaultsAreLimited(t *testing.T) {
	t.Parallel()
	faults := func(n int) []encoding.Fault {
		ff := make([]encoding.Fault, n)
		for i := range ff {
			ff[i] = encoding.Fault{Pointer: encoding.Pointer(i), Detail: "is wrong"}
		}
		return ff
	}

	all, cut := encoding.LimitFaults(faults(10_000)), encoding.LimitFaults(faults(25_000))

	if len(all) != 10_000 || all[9999].Pointer != "/9999" {
		t.Errorf("10000 faults: got %d, the last %v", len(all), all[len(all)-1])
	}
	if want := (encoding.Fault{Detail: "has more faults than these 9999"}); len(cut) != 10_000 || cut[9999] != want || cut[9998].Pointer != "/9998" {
		t.Errorf("25000 faults: got %d, the last %v", len(cut), cut[len(cut)-1])
	}
}
