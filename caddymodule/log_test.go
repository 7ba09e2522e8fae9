package caddymodule

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// After a reload, a connection's log goes where the new configuration's does.
func TestFollower(t *testing.T) {
	one, first := observer.New(zapcore.InfoLevel)
	two, second := observer.New(zapcore.DebugLevel)
	logger, followed := newFollower(zap.New(one).Named("etcd"))
	sub := logger.Named("embedded").With(zap.String("a", "b"))
	sub.Debug("too low")
	sub.Info("to the first", zap.Int("c", 1))
	follow(followed, zap.New(two).Named("etcd"))
	sub.Debug("to the second")
	onlyErrors(sub).Warn("too low")
	onlyErrors(sub).Error("to the second, too")

	entries := first.All()
	if len(entries) != 1 || entries[0].LoggerName != "etcd.embedded" || len(entries[0].Context) != 2 {
		t.Errorf("the first log has %+v", entries)
	}
	if entries = second.All(); len(entries) != 2 || entries[1].Message != "to the second, too" || entries[1].ContextMap()["a"] != "b" {
		t.Errorf("the second log has %+v", entries)
	}
}
