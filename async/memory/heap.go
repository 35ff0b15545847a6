package memory

import "time"

// heap is a binary heap of items that know their place in it, so that one can be taken out of the middle. It is ordered by the time at which an item is
// due, then by arrival: among items that are due at once, by arrival alone.
type heap struct{ items []*item }

// top returns the first item, or nil.
func (h *heap) top() *item {
	if len(h.items) == 0 {
		return nil
	}
	return h.items[0]
}

func (h *heap) push(it *item) {
	it.heap, it.index = h, len(h.items)
	h.items = append(h.items, it)
	h.up(it.index)
}

func (h *heap) remove(it *item) {
	last := len(h.items) - 1
	i := it.index
	if i != last {
		h.swap(i, last)
	}
	h.items[last] = nil
	h.items = h.items[:last]
	if i != last {
		h.down(i)
		h.up(i)
	}
	it.heap = nil
	if len(h.items) == 0 && cap(h.items) > roomy {
		h.items = nil
	}
}

func (h *heap) before(i, j int) bool {
	a, b := h.items[i], h.items[j]
	if !a.due.Equal(b.due) {
		return a.due.Before(b.due)
	}
	return a.seq < b.seq
}

func (h *heap) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].index, h.items[j].index = i, j
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			return
		}
		if other := child + 1; other < len(h.items) && h.before(other, child) {
			child = other
		}
		if !h.before(child, i) {
			return
		}
		h.swap(i, child)
		i = child
	}
}

// overdue reports whether something is due at now.
func (h *heap) overdue(now time.Time) bool {
	it := h.top()
	return it != nil && !it.due.After(now)
}
