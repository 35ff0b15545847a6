package line

import (
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
)

// sourceSlots is the number of places in a program whose text is kept: a power of two, 8 kB of pointers.
const sourceSlots = 1 << 10

// Sources turns program counters into "dir/file.go:line". It keeps the texts of the places it saw last, one per slot, so that a line that is written again
// costs a few nanoseconds and memory stays bounded. The zero value is ready; it may be used concurrently.
type Sources struct {
	slots [sourceSlots]atomic.Pointer[source]
}

type source struct {
	pc   uintptr
	text string
}

// Of returns the text of pc, or "" if pc is 0 or unknown.
func (s *Sources) Of(pc uintptr) string {
	if pc == 0 {
		return ""
	}
	slot := &s.slots[uint64(pc)*0x9E3779B97F4A7C15>>(64-10)]
	if known := slot.Load(); known != nil && known.pc == pc {
		return known.text
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if frame.File == "" {
		return ""
	}
	text := SourceText(frame.File, frame.Line)
	slot.Store(&source{pc: pc, text: text})
	return text
}

// SourceText returns the last two elements of the path and the line: "orders/main.go:42".
func SourceText(file string, line int) string {
	if i := strings.LastIndexByte(file, '/'); i > 0 {
		if j := strings.LastIndexByte(file[:i], '/'); j >= 0 {
			file = file[j+1:]
		}
	}
	return file + ":" + strconv.Itoa(line)
}
