package patron

import (
	"runtime/debug"
	"time"

	"github.com/beatlabs/patron/component"
)

// description answers /info.
func (s *Service) description() map[string]any {
	d := map[string]any{
		"name": s.name, "version": s.version, "state": s.State().String(), "http": s.Addr(), "management": s.ManagementAddr(),
		"build": build(), "components": s.components(),
	}
	if l := s.life.Load(); l != nil {
		d["started"] = l.began.UTC().Format(time.RFC3339Nano)
	}
	return d
}

// build says what was built, from what, with what.
func build() map[string]any {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	b := map[string]any{"go": info.GoVersion, "module": info.Main.Path, "version": info.Main.Version}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision", "vcs.time", "vcs.modified", "GOOS", "GOARCH":
			b[setting.Key] = setting.Value
		}
	}
	return b
}

// components describes every component, in the order of their start. The groups of the user are numbered from 1.
func (s *Service) components() []map[string]any {
	var described []map[string]any
	add := func(group int, u *unit) {
		d := map[string]any{"name": u.name, "state": u.currentState().String()}
		if group > 0 {
			d["group"] = group
		}
		if informer, ok := u.component.(component.Informer); ok {
			d["info"] = informer.Info()
		}
		described = append(described, d)
	}
	own := len(s.allGroups()) - len(s.cfg.groups)
	for n, g := range s.allGroups() {
		for _, u := range g.units {
			add(n+1-own, u)
		}
	}
	return described
}
