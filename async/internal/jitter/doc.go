// Package jitter draws the random part of the engine's pauses, so that what failed together does not come back together.
//
// A simulation of the package asynctest puts draws of its own into the context, because a history that can be repeated has nothing random but its seed.
package jitter
