package postgres

// For the tests, which stand outside because testdb imports this package.
const (
	Attempts   = attempts
	BreakAfter = breakAfter
)

// InByteOrder is inByteOrder.
var InByteOrder = inByteOrder
