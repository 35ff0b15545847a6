// Package shop has one of everything that can be exported.
package shop

import (
	"context"
	"io"
	"net/http"

	"example.com/far/shop/till"
)

// Constants, with and without a type.
const (
	Answer       = 42
	Name         = "shop"
	Closed State = iota
	Open
	hidden
)

// State is an enum.
type State uint8

func (s State) String() string { return "" }

// ErrClosed and Handler are variables.
var (
	ErrClosed error
	Handler   http.Handler = http.NotFoundHandler()
	unseen    int
)

// Number is a constraint.
type Number interface{ ~int | ~float64 }

// Sum is generic, variadic and takes a function.
func Sum[N Number, M map[string]N](ctx context.Context, by func(k string, n N) bool, nn ...N) (total N, err error) {
	return total, err
}

// Shelf is generic.
type Shelf[T comparable, U any] struct {
	Items []T
	First *Shelf[T, U] `json:"first"`
	Seen  map[string]chan<- T
	Done  <-chan struct{}
	Any   any
	Grid  [3]struct{ X, Y int }
	count int
}

// Put has a generic receiver.
func (s *Shelf[T, U]) Put(item T, u U) {}

// Len has a value receiver.
func (s Shelf[T, U]) Len() int { return 0 }

type base struct{ ID string }

func (b *base) Touch() {}

// Shop embeds, and can be compared.
type Shop struct {
	base
	till.Open
	closed bool
}

// Deep cannot be compared, because of a field that nobody sees.
type Deep struct{ parts []int }

// Reader is an alias, and Pair one with parameters.
type Reader = io.Reader

// Pair is an alias.
type Pair[T any] = Shelf[string, T]

// Source may be implemented by others.
type Source interface {
	io.Closer
	Next(ctx context.Context, limit int) (items []string, err error)
}

// Sealed may not.
type Sealed interface {
	Source
	sealed()
}

// Empty is an interface without methods.
type Empty interface{}

// Option is a function.
type Option func(*config) error

type config struct{}
