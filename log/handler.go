package log

import (
	"context"
	"log/slog"
	"slices"

	"github.com/beatlabs/patron/log/internal/line"
)

// NewHandler makes a [Backend] of h, which must not be nil: it adds the IDs of the context, filters by level (nil: one of its own, at info) and lets later
// attributes replace earlier ones of the same key. The names and the form of a line, its safety and its source are up to h; what h filters by itself stays
// filtered.
func NewHandler(h slog.Handler, level *LevelVar) Backend { return newHandler(h, level) }

// handler is a [Backend] over any slog.Handler. IDs stand outside of all groups, and a handler that was given a group cannot be told that; so a group is kept
// here and handed over as an attribute of the record.
type handler struct {
	root   slog.Handler // with nothing bound
	inner  slog.Handler // root with top bound
	level  *LevelVar
	rename func(string) string // of keys of the outermost object; may be nil
	top    []slog.Attr         // bound outside of groups, unique
	keys   line.Keys           // of top
	own    line.Keys           // the keys that a line has anyway, and those that rename changes
	groups []group             // opened, outermost first
}

type group struct {
	name  string
	attrs []slog.Attr
}

var _ Backend = (*handler)(nil)

func newHandler(h slog.Handler, level *LevelVar) *handler {
	if level == nil {
		level = new(LevelVar)
	}
	return &handler{root: h, inner: h, level: level, own: line.OwnKeys()}
}

func (h *handler) LevelVar() *LevelVar { return h.level }

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return Level(level) >= h.level.Level()
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if !h.root.Enabled(ctx, r.Level) {
		return nil
	}
	ids := line.IDsOf(ctx)
	if len(h.groups) > 0 || h.needsCare(&r) {
		return h.handleUnique(ctx, r, &ids)
	}
	if ids.Empty() {
		return h.inner.Handle(ctx, r)
	}
	r = r.Clone()
	r.AddAttrs(h.missing(ids.Attrs(), nil)...)
	return h.inner.Handle(ctx, r)
}

// needsCare reports whether r cannot be handed over as it is: a key may be there already or must not be written as it is, or an object may have one twice.
func (h *handler) needsCare(r *slog.Record) bool {
	objects := false
	r.Attrs(func(a slog.Attr) bool {
		kind := a.Value.Kind()
		objects = kind == slog.KindGroup || kind == slog.KindLogValuer
		return !objects
	})
	return objects || line.Clash(r, h.keys|h.own, h.taken)
}

func (h *handler) taken(key string) bool {
	return line.Own(key) || h.rename != nil && h.rename(key) != key || hasKey(h.top, key)
}

// handleUnique writes r as a record whose attributes are all there is, for a handler with nothing bound.
func (h *handler) handleUnique(ctx context.Context, r slog.Record, ids *line.IDs) error {
	attrs := line.Attrs(r, 0)
	for _, g := range slices.Backward(h.groups) {
		attrs = []slog.Attr{{Key: g.name, Value: slog.GroupValue(append(slices.Clip(g.attrs), attrs...)...)}}
	}
	attrs = line.Unique(attrs, h.rename)
	top := slices.DeleteFunc(slices.Clone(h.top), func(a slog.Attr) bool { return hasKey(attrs, a.Key) })
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	out.AddAttrs(top...)
	out.AddAttrs(attrs...)
	out.AddAttrs(h.missing(ids.Attrs(), attrs)...)
	return h.root.Handle(ctx, out)
}

// missing returns the ids that are not there as attributes; those win.
func (h *handler) missing(ids, attrs []slog.Attr) []slog.Attr {
	return slices.DeleteFunc(ids, func(id slog.Attr) bool { return hasKey(h.top, id.Key) || hasKey(attrs, id.Key) })
}

func hasKey(attrs []slog.Attr, key string) bool {
	return slices.ContainsFunc(attrs, func(a slog.Attr) bool { return a.Key == key })
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	child := *h
	if n := len(h.groups); n > 0 {
		child.groups = slices.Clone(h.groups)
		child.groups[n-1].attrs = line.Unique(append(slices.Clip(h.groups[n-1].attrs), attrs...), nil)
		return &child
	}
	added := line.Unique(attrs, h.rename)
	child.top = line.Unique(append(slices.Clip(h.top), added...), nil)
	if len(child.top) == len(h.top)+len(added) {
		child.inner = h.inner.WithAttrs(added)
	} else {
		child.inner = h.root.WithAttrs(child.top)
	}
	for _, a := range added {
		child.keys = child.keys.With(a.Key)
	}
	return &child
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	child := *h
	child.groups = append(slices.Clip(h.groups), group{name: name})
	return &child
}
