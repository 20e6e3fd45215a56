# Works on the elements of a folder: worker.sh FOLDER SECONDS INDEX...
# A file INDEX.plan may say what goes wrong: "exit N" and "failed N" up to attempt N; "memory N" needs N MB, and
# "time N" needs N seconds, whenever it runs.
folder=$1
seconds=$2
shift 2
for index; do
    echo "start $ARRAY_ATTEMPT $ARRAY_TOKEN $(date +%s.%N)" >>"$folder/$index.runs"
    kind= number=0
    [ -f "$folder/$index.plan" ] && read -r kind number <"$folder/$index.plan"
    echo "element $index attempt $ARRAY_ATTEMPT: $kind $number"
    case $kind in
    exit) [ "$ARRAY_ATTEMPT" -gt "$number" ] || exit 7 ;;
    failed)
        if [ "$ARRAY_ATTEMPT" -le "$number" ]; then
            echo failed >"$folder/.$index.new" && mv "$folder/.$index.new" "$folder/$index.record"
            continue
        fi
        ;;
    memory) head -c "${number}m" /dev/zero | tail >/dev/null || exit 1 ;;
    time) sleep "$number" || exit 1 ;;
    esac
    sleep "$seconds" || exit 1
    echo done >"$folder/.$index.new"
    mv "$folder/.$index.new" "$folder/$index.record"
    echo "end $ARRAY_ATTEMPT $ARRAY_TOKEN $(date +%s.%N)" >>"$folder/$index.runs"
done
