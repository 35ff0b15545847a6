package ledger

// mostWindow is the largest window of a claim that began with suspicion.
const mostWindow = 1024

// caution says how many messages may be given at a time. Its states, where w is the size of the window that was granted last:
//
//	closed claim before:  w=0, nothing granted ──────────────────────────────────────────> calm
//	open claim before:    alone (w=1), as often as there are suspects ──> w=2 ──> … ──> mostWindow ──> calm
//
// Each arrow is a commit that is done while nothing is waited for.
type caution struct {
	suspects int  // messages still to be given alone
	window   int  // granted last; 0: none yet, or calm
	left     int  // of it
	calm     bool // everything may be given

	found   int  // what the metadata said, until something is granted
	open    bool // likewise
	granted bool // a commit of this claim has said that it is open

	out     int // given, not settled, and waited for
	trusted int // given, not settled, not waited for

	wanting bool  // a message is kept back
	wanted  int64 // its offset
	counted int64 // the offset whose start is committed

	asked   bool  // the commit under way grants the next window
	askedAt int64 // what was wanted then
}

// begin takes over what the metadata said.
func (c *caution) begin(open bool, window int) {
	c.open = open
	if open {
		c.found = window
		c.suspects = max(1, window)
	}
}

// admits reports whether one more message may be given now.
func (c *caution) admits() bool { return c.calm || c.left > 0 }

// alone reports whether the start of the message at offset is committed.
func (c *caution) alone(offset int64) bool { return !c.calm && c.window == 1 && c.counted == offset }

// gave counts one message that was given.
func (c *caution) gave() {
	c.out++
	if !c.calm {
		c.left--
	}
}

// want keeps the message at offset back.
func (c *caution) want(offset int64) {
	c.wanting = true
	c.wanted = offset
}

// following returns the window after the present one; 0 is calm.
func (c *caution) following() int {
	switch {
	case !c.granted && !c.open, c.window >= mostWindow:
		return 0
	case c.suspects > 0:
		return 1
	default:
		return max(1, c.window) * 2
	}
}

// due reports whether the next window can be granted by a commit.
func (c *caution) due() bool { return c.wanting && c.out == 0 && !c.admits() }

// grant is called when the commit that announced the next window is done.
func (c *caution) grant() {
	w := c.following()
	c.granted, c.asked = true, false
	c.wanting = false
	c.window, c.left = w, w
	c.calm = w == 0
	c.counted = Unknown
	if w == 1 {
		c.suspects--
		c.counted = c.askedAt
	}
}

// told is what a commit says: whether the claim is open, and which window is at work behind the position.
func (c *caution) told(ended bool) (open bool, window int) {
	switch {
	case ended && c.calm:
		return false, 0
	case ended && c.granted: // closed, but what was suspected in the beginning is not cleared
		return true, max(1, c.suspects)
	case c.asked && !ended:
		if w := c.following(); w > 0 {
			return true, w + c.trusted
		}
		return true, 0
	case c.calm:
		return true, 0
	case c.granted:
		return true, c.window + c.trusted
	default:
		return c.open, c.found
	}
}
