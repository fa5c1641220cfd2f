#!/bin/sh
# Builds the documentation as a site in target/book: the book in docs/, and beside it the files of the repository that
# its pages link to, at the same places as here. So each link works in the site as it does in the repository.
#
#   docs/site.sh                builds target/book again
#   docs/site.sh DIRECTORY      builds the site in a new directory
#
# Needs mdbook 0.5, git, and a checkout.
set -eu

repository=$(cd "$(dirname "$0")/.." && pwd)
if [ $# = 0 ]; then
    site=$repository/target/book
    rm -rf "$site"
else
    site=$1
    [ ! -e "$site" ] || { echo "$site exists already" >&2; exit 1; }
fi
mkdir -p "$site"
site=$(cd "$site" && pwd)
cd "$repository"
mdbook build docs --dest-dir "$site/docs"
rm "$site/docs/book.toml" "$site/docs/site.sh"

# A folder has a page that lists its files, because not every server lists them.
list_folder() {
    mkdir -p "$site/$1"
    {
        printf '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>%s</title>\n<h1>%s</h1>\n<ul>\n' "$1" "$1"
        git ls-files -- "$1" | while read -r file; do
            printf '<li><a href="%s">%s</a></li>\n' "${file#"$1/"}" "${file#"$1/"}"
        done
        printf '</ul>\n</html>\n'
    } >"$site/$1/index.html"
}

copy() {
    mkdir -p "$site/$(dirname "$1")"
    cp "$1" "$site/$1"
}

git ls-files -co --exclude-standard -- 'docs/*.md' | while read -r page; do
    # `](../a/b.rs#c)` gives a/b.rs, as seen from the folder of the page.
    grep -oE '\]\(\.\.?/[^)#]*' "$page" | sed 's/^](//' | sort -u | (cd "$(dirname "$page")" && xargs -r realpath --)
done | sort -u | while read -r target; do
    target=${target#"$PWD/"}
    case $target in
        docs/*) ;;
        *)
            if [ -d "$target" ]; then
                list_folder "$target"
                git ls-files -- "$target" | while read -r file; do copy "$file"; done
            else
                copy "$target"
            fi
            ;;
    esac
done

cat >"$site/index.html" <<'END'
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>ilp-connector</title>
<meta http-equiv="refresh" content="0; url=docs/index.html">
<p><a href="docs/index.html">The documentation</a></p>
</html>
END
