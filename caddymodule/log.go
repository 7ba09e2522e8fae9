package caddymodule

import (
	"slices"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// A reload closes the logs of the configuration before it, while a connection
// lives on. So a connection's logger writes to the log of the app that used it
// last.

// follower is a zap core that hands everything to the core it follows now.
type follower struct {
	followed *atomic.Pointer[zapcore.Core]
	fields   []zapcore.Field
}

// newFollower returns a logger named as the one it follows first, and what it
// follows.
func newFollower(logger *zap.Logger) (*zap.Logger, *atomic.Pointer[zapcore.Core]) {
	followed := new(atomic.Pointer[zapcore.Core])
	follow(followed, logger)
	return zap.New(follower{followed: followed}).Named(logger.Name()), followed
}

func follow(followed *atomic.Pointer[zapcore.Core], logger *zap.Logger) {
	core := logger.Core()
	followed.Store(&core)
}

func (f follower) core() zapcore.Core { return *f.followed.Load() }

// Enabled implements zapcore.Core.
func (f follower) Enabled(level zapcore.Level) bool { return f.core().Enabled(level) }

// With implements zapcore.Core.
func (f follower) With(fields []zapcore.Field) zapcore.Core {
	return follower{followed: f.followed, fields: append(slices.Clip(f.fields), fields...)}
}

// Check implements zapcore.Core.
func (f follower) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	core := f.core()
	if !core.Enabled(e.Level) {
		return ce
	}
	if len(f.fields) > 0 {
		core = core.With(f.fields)
	}
	return core.Check(e, ce)
}

// Write implements zapcore.Core; after Check, nobody calls it.
func (f follower) Write(e zapcore.Entry, fields []zapcore.Field) error {
	return f.core().With(f.fields).Write(e, fields)
}

// Sync implements zapcore.Core.
func (f follower) Sync() error { return f.core().Sync() }

// atLeast is a zap core that lets nothing through below a level.
type atLeast struct {
	zapcore.Core
	level zapcore.Level
}

// onlyErrors returns a logger that logs errors and worse.
func onlyErrors(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return atLeast{core, zapcore.ErrorLevel}
	}))
}

// Enabled implements zapcore.Core.
func (a atLeast) Enabled(level zapcore.Level) bool { return level >= a.level && a.Core.Enabled(level) }

// With implements zapcore.Core.
func (a atLeast) With(fields []zapcore.Field) zapcore.Core {
	return atLeast{a.Core.With(fields), a.level}
}

// Check implements zapcore.Core.
func (a atLeast) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level < a.level {
		return ce
	}
	return a.Core.Check(e, ce)
}

// Interface guard
var _ zapcore.Core = follower{}
