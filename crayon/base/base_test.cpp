#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "crayon/base/bytes.h"
#include "crayon/base/error.h"
#include "crayon/base/log.h"
#include "crayon/base/progress.h"
#include "crayon/base/random.h"
#include "crayon/base/sha256.h"
#include "crayon/base/text.h"

namespace crayon {
namespace {

using ::testing::HasSubstr;

TEST(Error, EveryCodeHasItsOwnExitStatusAndAnHttpStatus) {
  std::set<int> exits;
  for (const auto code : {ErrorCode::InvalidArgument, ErrorCode::NotFound, ErrorCode::Incompatible,
                          ErrorCode::CorruptFile, ErrorCode::Unsupported, ErrorCode::Unavailable}) {
    exits.insert(info(code).exit_status);
    EXPECT_GE(info(code).http_status, 400);
  }
  EXPECT_EQ(exits, (std::set<int>{2, 3, 4, 5, 6, 7}));
}

TEST(ByteReader, ThrowsPastTheEndAndNamesFileAndOffset) {
  ByteWriter writer;
  writer.write<std::uint32_t>(7);
  ByteReader reader(writer.bytes(), "x.gguf");
  EXPECT_EQ(reader.read<std::uint32_t>(), 7u);
  try {
    (void)reader.read<std::uint64_t>();
    FAIL() << "read past the end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::CorruptFile);
    EXPECT_THAT(error.what(), HasSubstr("x.gguf: cut short at byte 4"));
  }
}

TEST(Checked, RefusesProductsAndSumsThatOverflow) {
  EXPECT_EQ(checked_mul(1u << 20, 1u << 20, "f"), 1ull << 40);
  EXPECT_THROW((void)checked_mul(1ull << 40, 1ull << 40, "f"), Error);
  EXPECT_THROW((void)checked_add(UINT64_MAX, 1, "f"), Error);
}

TEST(Half, RoundTripsEveryFiniteHalf) {
  for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if ((half & 0x7c00u) == 0x7c00u) continue;
    EXPECT_EQ(float_to_half(half_to_float(half)), half) << bits;
  }
  EXPECT_TRUE(std::isinf(half_to_float(float_to_half(1e6f))));
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Half, RoundsTiesToEven) {
  EXPECT_EQ(half_to_float(float_to_half(2049.0f)), 2048.0f);
  EXPECT_EQ(half_to_float(float_to_half(2051.0f)), 2052.0f);
}

TEST(Bfloat, RoundsToNearestEven) {
  EXPECT_EQ(float_to_bfloat(std::bit_cast<float>(0x3f808000u)), 0x3f80u);
  EXPECT_EQ(float_to_bfloat(std::bit_cast<float>(0x3f818000u)), 0x3f82u);
  EXPECT_EQ(float_to_bfloat(std::bit_cast<float>(0x3f808001u)), 0x3f81u);
  EXPECT_EQ(float_to_bfloat(std::bit_cast<float>(0x3f817fffu)), 0x3f81u);
}

TEST(Sha256, GivesTheKnownHashOfAbc) {  // FIPS 180-4, example B.1
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Rng, IsTheSameForOneSeedAndResumesFromItsState) {
  Rng a(42), b(42), other(42, "order");
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), other.next());
  const auto state = a.state();
  const double next = a.uniform();
  b.set_state(state);
  EXPECT_EQ(b.uniform(), next);
}

TEST(Rng, NormalHasMeanZeroAndDeviationOne) {
  Rng rng(1);
  double sum = 0, squares = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.03);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
}

TEST(Progress, WritesALogLineAtTheEndWhenNotOnATerminal) {
  std::ostringstream out;
  {
    Progress progress(out, {.label = "embed", .total = 4});
    progress.set(4, "loss 1.5");
  }
  EXPECT_THAT(out.str(), HasSubstr("embed 4 of 4 items (100 %)"));
  EXPECT_THAT(out.str(), HasSubstr("loss 1.5"));
}

double rate_in(const std::string& line) {
  const auto end = line.find(" items/s");
  const auto begin = line.rfind(' ', end - 1) + 1;
  return end == std::string::npos ? 0 : std::stod(line.substr(begin, end - begin));
}

TEST(Progress, ItsRateIsOfWhatCameAfterTheFirstCall) {
  using namespace std::chrono_literals;
  constexpr auto kSlept = 50ms;
  std::ostringstream out;
  std::optional<Progress> progress(std::in_place, out, ProgressOptions{.label = "train"});
  std::this_thread::sleep_for(kSlept);  // reading a model, say: before the first unit
  const auto begin = std::chrono::steady_clock::now();
  progress->set(1000);  // a resumed job
  std::this_thread::sleep_for(kSlept);
  progress->set(1010);
  progress.reset();
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(rate_in(out.str()), 0.99 * 10 / whole.count());
  EXPECT_LE(rate_in(out.str()), 1.01 * 10 / std::chrono::duration<double>(kSlept).count());
}

TEST(Progress, SaysNoRateAfterOneCall) {
  std::ostringstream out;
  { Progress(out, {.label = "embed", .total = 8}).set(4); }
  EXPECT_THAT(out.str(), ::testing::Not(HasSubstr("/s")));
}

/// What a new process with this CRAYON_LOG says.
void expect_log(const char* level, const std::string& said) {
  EXPECT_EXIT(
      {
        ::setenv("CRAYON_LOG", level, 1);
        log_debug("small");
        log_warning("large");
        std::exit(0);
      },
      ::testing::ExitedWithCode(0), said);
}

TEST(LogDeathTest, SaysWhatTheEnvironmentAsksFor) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  expect_log("", "^crayon: warning: large\n$");
  expect_log("debug", "^crayon: small\ncrayon: warning: large\n$");
  expect_log("error", "^$");
  expect_log("loud", "CRAYON_LOG is 'loud'; expected debug, info, warning or error");
}

TEST(Text, IsTrimmedAndLowered) {
  EXPECT_EQ(trimmed(" \t a b\r\n\v\f"), "a b");
  EXPECT_EQ(trimmed(" \n"), "");
  EXPECT_EQ(lowered("A\xc3\x84z"), "a\xc3\x84z");
}

TEST(Text, IsShownOnOneLineAndCutBetweenCharacters) {
  EXPECT_EQ(one_line("a\nb\x7f\tc"), "a b  c");
  EXPECT_EQ(one_line("abc", 3), "abc");
  EXPECT_EQ(one_line("abc", 2), "ab");
  EXPECT_EQ(one_line("a\xc3\xa9z", 2), "a");
  EXPECT_EQ(one_line("a\xc3\xa9z", 3), "a\xc3\xa9");
  EXPECT_EQ(one_line("\xf0\x9f\x98\x80", 3), "");
}

TEST(FormatDuration, ReadsAsPeopleSayIt) {
  EXPECT_EQ(format_duration(std::chrono::seconds(42)), "42 s");
  EXPECT_EQ(format_duration(std::chrono::seconds(187)), "3:07 min");
  EXPECT_EQ(format_duration(std::chrono::seconds(3723)), "1:02:03 h");
}

}  // namespace
}  // namespace crayon
