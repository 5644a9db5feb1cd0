// What tests of wrong calls share.
#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <ostream>
#include <string>

#include "crayon/base/error.h"

namespace crayon::test {

/// Matches a call that throws an Error of this code whose message holds `part`.
inline auto error_of(ErrorCode code, const std::string& part) {
  return ::testing::Throws<Error>(
      ::testing::AllOf(::testing::Property(&Error::code, code),
                       ::testing::Property(&Error::what, ::testing::HasSubstr(part))));
}

/// A case of a table of wrong calls, and what its message has to hold.
struct BadInput {
  std::string what;
  std::function<void()> call;
};
inline void PrintTo(const BadInput& bad, std::ostream* out) { *out << bad.what; }

}  // namespace crayon::test
