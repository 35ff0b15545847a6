package correlation

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// HeaderID is the header, metadata key or message attribute that carries the ID, in the canonical form of net/http. Readers compare it without regard
// to case.
const HeaderID = "X-Correlation-Id"

// maxLength bounds what is accepted from outside.
const maxLength = 128

// New returns a new ID of 32 hexadecimal digits (128 random bits). The ID is a name, not a secret: it comes from math/rand/v2, so it must not be used as
// a token. It never blocks and may be called concurrently.
func New() string {
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	var text [32]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

// Valid reports whether id may be used as it is: 1 to 128 of the characters A-Z, a-z, 0-9, dot, underscore and hyphen.
func Valid(id string) bool {
	if id == "" || len(id) > maxLength {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// ContextWithID returns a copy of ctx that carries id. The ID is taken as given: whoever received it from outside checks it with [Valid] first.
func ContextWithID(ctx context.Context, id string) context.Context {
	return new(Context).Init(ctx, id)
}

// IDFromContext returns the ID that ctx carries, or "" if it carries none. It never creates one: two calls give the same answer.
func IDFromContext(ctx context.Context) string {
	if c, ok := ctx.Value(idKey{}).(*Context); ok {
		return c.id
	}
	return ""
}

type idKey struct{}

// Context is the context that carries an ID. It is for whoever has memory for one, as a request or a message has, and saves the allocation that
// [ContextWithID] needs. [Context.Init] makes the zero value usable.
//
// It is a type of its own instead of context.WithValue, which costs a second allocation to put the string into an interface.
type Context struct {
	context.Context
	id string
}

// Init makes c a copy of ctx that carries id, as [ContextWithID] does, and returns it. It is called once: c, and what c is a part of, belongs to the contexts
// that are made of it for as long as anybody uses one of them.
func (c *Context) Init(ctx context.Context, id string) context.Context {
	c.Context, c.id = ctx, id
	return c
}

// Value returns what ctx of Init carries for key.
func (c *Context) Value(key any) any {
	if key == (idKey{}) {
		return c
	}
	return c.Context.Value(key)
}
