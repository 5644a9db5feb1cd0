// The steps from an empty file to the present tables, one for each version that was ever shipped.
#pragma once

#include <chrono>
#include <cstdint>

#include "crayon/store/internal/database.h"

namespace crayon {

/// Tables of today.
inline constexpr std::int64_t kStoreVersion = 2;

/// Brings a database, of whatever older version, up to `version` in one transaction; two processes
/// may do it at once. Readers then do not block the writer (WAL).
/// @throws Error Incompatible  the file is another program's; Unsupported: of a newer version
void migrate(const Database& database, std::chrono::milliseconds patience,
             std::int64_t version = kStoreVersion);

}  // namespace crayon
