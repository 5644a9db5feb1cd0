#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include "crayon/base/bytes.h"
#include "crayon/base/error.h"
#include "crayon/base/progress.h"
#include "crayon/base/random.h"
#include "crayon/base/sha256.h"

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

TEST(Bfloat, RoundsToNearestEven) {
  EXPECT_EQ(bfloat_to_float(float_to_bfloat(1.0f)), 1.0f);
  EXPECT_NEAR(bfloat_to_float(float_to_bfloat(3.14159f)), 3.14159f, 0.01f);
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

TEST(FormatDuration, ReadsAsPeopleSayIt) {
  EXPECT_EQ(format_duration(std::chrono::seconds(42)), "42 s");
  EXPECT_EQ(format_duration(std::chrono::seconds(187)), "3:07 min");
  EXPECT_EQ(format_duration(std::chrono::seconds(3723)), "1:02:03 h");
}

}  // namespace
}  // namespace crayon
