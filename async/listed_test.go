package async_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/beatlabs/patron/async"
)

// list is a list of letters, which may end with an error.
type list struct {
	letters []*async.DeadLetter
	err     error
}

func (l list) List(_ context.Context, f async.DeadFilter) iter.Seq2[*async.DeadLetter, error] {
	return func(yield func(*async.DeadLetter, error) bool) {
		for _, letter := range l.letters {
			if f.Match(letter) && !yield(letter, nil) {
				return
			}
		}
		if l.err != nil {
			yield(nil, l.err)
		}
	}
}

func (list) Remove(context.Context, ...*async.DeadLetter) error { return nil }

func TestListedLettersAreCountedAndFound(t *testing.T) {
	t.Parallel()
	letter := func(id, cause string) *async.DeadLetter {
		return &async.DeadLetter{Message: &async.Message{ID: id}, Cause: cause}
	}
	dead := async.Listed(list{letters: []*async.DeadLetter{letter("1", "first"), letter("2", "other"), letter("1", "last")}})

	if n, err := dead.Count(t.Context(), async.DeadFilter{ID: "1"}); n != 2 || err != nil {
		t.Errorf("count: got %d, %v, want 2", n, err)
	}
	if l, err := dead.Get(t.Context(), "1"); err != nil || l.Cause != "last" {
		t.Errorf("get: got %+v, %v, want the last of two", l, err)
	}
	for _, id := range []string{"3", ""} {
		if l, err := dead.Get(t.Context(), id); !errors.Is(err, async.ErrNoLetter) {
			t.Errorf("get %q: got %+v, %v, want ErrNoLetter", id, l, err)
		}
	}
}

func TestListedLettersThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	gone := errors.New("the broker is gone")
	dead := async.Listed(list{letters: []*async.DeadLetter{{Message: &async.Message{ID: "1"}}}, err: gone})

	if n, err := dead.Count(t.Context(), async.DeadFilter{}); !errors.Is(err, gone) {
		t.Errorf("count: got %d, %v, want the error of the list", n, err)
	}
	if l, err := dead.Get(t.Context(), "1"); !errors.Is(err, gone) {
		t.Errorf("get: got %+v, %v, want the error of the list", l, err)
	}
}
