// Package reliability decides what an error means for whoever must react to it: try again, give up, or look away.
//
// One classifier serves every part of the framework. The async engine asks [Classify] whether another try makes sense, retrying clients ask it whether
// the call may be repeated, and breakers ask it whether the failure says anything about the other side. Code that knows better says so once, where the
// error is made, with [Permanent] or [Transient]; nobody reads error texts.
package reliability
