package async

import (
	"context"
	"fmt"
	"iter"
)

// LetterList is the part of [DeadLetters] that only a driver can know.
type LetterList interface {
	// List is that of DeadLetters.
	List(ctx context.Context, f DeadFilter) iter.Seq2[*DeadLetter, error]
	// Remove is that of DeadLetters.
	Remove(ctx context.Context, ll ...*DeadLetter) error
}

// Listed makes DeadLetters of a broker that cannot count or look for letters: Count and Get go through the list.
func Listed(l LetterList) DeadLetters { return listed{l} }

type listed struct{ LetterList }

// Count implements [DeadLetters].
func (l listed) Count(ctx context.Context, f DeadFilter) (int64, error) {
	var n int64
	for _, err := range l.List(ctx, f) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Get implements [DeadLetters].
func (l listed) Get(ctx context.Context, id string) (*DeadLetter, error) {
	var last *DeadLetter
	for letter, err := range l.List(ctx, DeadFilter{ID: id}) {
		if err != nil {
			return nil, err
		}
		if letter.Message.ID == id { // an empty ID is no filter
			last = letter
		}
	}
	if last == nil {
		return nil, fmt.Errorf("%w with ID %q", ErrNoLetter, id)
	}
	return last, nil
}
