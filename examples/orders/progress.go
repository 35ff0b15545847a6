package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// showProgress tells how far a run is, until ctx ends: a bar on a terminal, a line every second elsewhere.
func showProgress(ctx context.Context, w io.Writer, l *Loader) {
	bar := isTerminal(w)
	every := time.Second
	if bar {
		every = 100 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			if bar {
				_, _ = fmt.Fprintln(w, progressBar(l))
			}
			return
		case <-ticker.C:
			if bar {
				_, _ = fmt.Fprint(w, progressBar(l), "\r")
			} else {
				_, _ = fmt.Fprintln(w, progressLine(l))
			}
		}
	}
}

func progressLine(l *Loader) string {
	sent, accepted, finished := l.progress()
	return fmt.Sprintf("%d of %d orders answered, %d accepted, %d of them finished", sent, l.Total(), accepted, finished)
}

func progressBar(l *Loader) string {
	const width = 40
	sent, _, _ := l.progress()
	done := width * sent / max(1, l.Total())
	return fmt.Sprintf("[%s%s] %s", strings.Repeat("#", done), strings.Repeat(".", width-done), progressLine(l))
}

func (l *Loader) progress() (sent, accepted, finished int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers, l.accepted, l.finished
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
