package metric

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// SeriesLimit is how many children one metric of a [Registry] hands out. Further label values share one child whose labels all read "_overflow", so that
// nothing a client chooses can grow the memory of a service.
const SeriesLimit = 2000

const (
	overflow  = "_overflow"
	separator = "\xff" // never part of a valid UTF-8 string, and so of a label value
)

// children are the children of one metric, by their label values.
type children[T any] struct {
	labels int
	err    error // why they are not gathered
	create func(values []string) T

	mu    sync.RWMutex // guards byKey
	byKey map[string]T
}

func (c *children[T]) with(values []string) T {
	var stack [128]byte
	key := c.key(stack[:0], values)
	c.mu.RLock()
	child, ok := c.byKey[string(key)]
	c.mu.RUnlock()
	if ok {
		return child
	}
	return c.add(string(key))
}

func (c *children[T]) add(key string) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full() {
		if _, ok := c.byKey[key]; !ok {
			key = c.overflowKey()
		}
	}
	if child, ok := c.byKey[key]; ok {
		return child
	}
	if c.byKey == nil {
		c.byKey = make(map[string]T)
	}
	child := c.create(c.values(key))
	c.byKey[key] = child
	return child
}

// full reports whether there is no room for another child. The one for the overflow does not count. The mutex is held.
func (c *children[T]) full() bool {
	n := len(c.byKey)
	if n < SeriesLimit {
		return false
	}
	if _, ok := c.byKey[c.overflowKey()]; ok {
		n--
	}
	return n >= SeriesLimit
}

// key appends to b the values as they will be read, in a form that no other values have.
func (c *children[T]) key(b []byte, values []string) []byte {
	for i := range c.labels {
		if i > 0 {
			b = append(b, separator...)
		}
		switch {
		case i >= len(values):
		case utf8.ValidString(values[i]):
			b = append(b, values[i]...)
		default:
			b = append(b, strings.ToValidUTF8(values[i], "_")...)
		}
	}
	return b
}

// values is the reverse of key.
func (c *children[T]) values(key string) []string {
	if c.labels == 0 {
		return nil
	}
	return strings.Split(key, separator)
}

func (c *children[T]) overflowKey() string {
	return strings.TrimSuffix(strings.Repeat(overflow+separator, c.labels), separator)
}

func (c *children[T]) remove(values []string, remove func(values []string)) {
	key := string(c.key(nil, values))
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[key]; ok {
		delete(c.byKey, key)
		remove(c.values(key))
	}
}
