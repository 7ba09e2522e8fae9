package lockmod

import "time"

// Limits bound what a request may ask for. All of them count: start from
// DefaultLimits.
type Limits struct {
	MaxWaiting int           // requests that may wait at once, on all locks; 0 is any number
	MaxKey     int           // bytes of a key
	MaxValue   int           // bytes of a value, or of a name
	MaxBody    int           // bytes of a request's body
	MaxTTL     time.Duration // of a hold, in whole seconds
}

// DefaultLimits returns the limits where none are configured. MaxBody leaves room
// for a value of MaxValue bytes in a form, where it may be three times as long.
func DefaultLimits() Limits {
	return Limits{
		MaxWaiting: 100_000,
		MaxKey:     1024,
		MaxValue:   64 << 10,
		MaxBody:    256 << 10,
		MaxTTL:     24 * time.Hour,
	}
}
