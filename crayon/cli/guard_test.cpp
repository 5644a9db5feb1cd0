#include "crayon/cli/guard.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <new>
#include <sstream>
#include <stdexcept>

#include "crayon/base/error.h"
#include "crayon/base/interrupt.h"

namespace crayon {
namespace {

struct Fallen {
  int status;
  std::string line;
};

template <typename Thrown>
Fallen fall(const Thrown& thrown) {
  std::ostringstream notes;
  const ProgramWords words{"prog", "use less", [] { return std::string("go on"); }};
  const int status = guarded(words, notes, [&]() -> int { throw thrown; });
  return {status, notes.str()};
}

void expect(const Fallen& fallen, int status, const std::string& line) {
  EXPECT_EQ(fallen.status, status);
  EXPECT_EQ(fallen.line, line);
}

TEST(Guard, EverythingThrownBecomesOneLineAndItsStatus) {
  expect(fall(Error(ErrorCode::NotFound, "no x")), 3, "prog: no x\n");
  expect(fall(Interrupted()), 130, "prog: interrupted; go on\n");
  expect(fall(std::bad_alloc()), 7, "prog: out of memory; use less\n");
  expect(fall(std::runtime_error("odd\ntrace")), 1, "prog: this is a bug in crayon: odd\n");
  const Fallen disk =
      fall(std::filesystem::filesystem_error("copy", std::error_code(28, std::generic_category())));
  EXPECT_EQ(disk.status, 7);
  EXPECT_NE(disk.line.find("; check the path and its rights\n"), std::string::npos);
}

TEST(Guard, AStatusPassesThrough) {
  std::ostringstream notes;
  EXPECT_EQ(guarded({"prog", "", {}}, notes, [] { return 5; }), 5);
  EXPECT_EQ(notes.str(), "");
}

}  // namespace
}  // namespace crayon
